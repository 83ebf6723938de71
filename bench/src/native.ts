import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Bench } from './bench.ts'
import type { Child } from './processes.ts'
import type { Sample } from './row.ts'
import type { Address } from './subject.ts'

export type Program = 'tcp-client' | 'tcp-backend' | 'http-client' | 'https-client' | 'http-backend'

/** The source of a program that is not named as it, and what it is built with. */
const builds: Partial<Record<Program, { readonly source: string; readonly flags: readonly string[] }>> = {
  'https-client': { source: 'http-client', flags: ['-DWITH_TLS', '-lssl', '-lcrypto'] },
}

const sources = fileURLToPath(new URL('../native/', import.meta.url))

/** The load clients and backends in C: built on first use, run on the load core. */
export class Native {
  readonly #bench: Bench
  readonly #built = new Map<Program, string>()

  constructor(bench: Bench) {
    this.#bench = bench
  }

  #binary(program: Program): string {
    const known = this.#built.get(program)
    if (known !== undefined) return known
    const binary = join(this.#bench.directory, program)
    const warnings = ['-Wall', '-Wextra', '-Wno-unused-function']
    const { source, flags } = builds[program] ?? { source: program, flags: [] }
    const args = ['-O2', ...warnings, '-o', binary, join(sources, `${source}.c`), ...flags]
    const { status, stderr } = spawnSync('gcc', args)
    if (status !== 0) throw new Error(`gcc could not build ${program}.c: ${stderr?.toString() ?? 'there is no gcc'}`)
    this.#built.set(program, binary)
    return binary
  }

  start(program: Program, options: Readonly<Record<string, string | number>> = {}): Child {
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
    return this.#bench.processes.start(this.#binary(program), args, { core: this.#bench.loadCore })
  }

  /** Starts a backend and waits for its port. */
  async backend(program: 'tcp-backend' | 'http-backend'): Promise<Address> {
    const child = this.start(program)
    const { port } = parseReport(await child.line(5000)) as { port: number }
    return { host: '127.0.0.1', port }
  }

  /** Runs a load client to its end. Rejects when any response was wrong. */
  async measure(program: Program, options: LoadOptions): Promise<Report> {
    const client = this.start(program, { ...options })
    try {
      const report = parseReport(await client.line((options.warmup + options.seconds * 4 + 15) * 1000))
      return checkedReport(report)
    } finally {
      client.kill()
    }
  }
}

export interface LoadOptions {
  readonly [option: string]: string | number
  readonly warmup: number
  readonly seconds: number
}

/** What a load client measured. */
export interface Report {
  readonly requests: number
  readonly bytes: number
  readonly seconds: number
  readonly cpuSeconds: number
  readonly p50Us: number
  readonly p99Us: number
}

/** A line of a native program. Throws what it complains of. */
export const parseReport = (line: string): Record<string, unknown> => {
  const report = JSON.parse(line) as Record<string, unknown>
  if (typeof report['error'] === 'string') throw new Error(report['error'])
  return report
}

const fields = ['requests', 'bytes', 'seconds', 'cpuSeconds', 'p50Us', 'p99Us'] as const

const checkedReport = (report: Record<string, unknown>): Report => {
  for (const field of fields)
    if (!Number.isFinite(report[field])) throw new Error(`the load client reported no ${field}`)
  return report as unknown as Report
}

/** Work per second and per CPU second of the proxy. `measured` is false for a direct connection, which has no proxy. */
export const sampleOf = (report: Report, work: number, measured: boolean): Sample => {
  if (work === 0) throw new Error('nothing was answered')
  if (measured && report.cpuSeconds === 0)
    throw new Error('the proxy used no CPU time: the wrong processes were watched')
  return {
    value: work / report.seconds,
    ...(measured ? { perProxyCpuSecond: work / report.cpuSeconds } : {}),
    ...(report.requests > 0 ? { p50Us: report.p50Us, p99Us: report.p99Us } : {}),
  }
}

/** The median time that a client waited. */
export const latencySample = (report: Report): Sample => {
  if (report.requests === 0) throw new Error('nothing was answered')
  return { value: report.p50Us, p50Us: report.p50Us, p99Us: report.p99Us }
}
