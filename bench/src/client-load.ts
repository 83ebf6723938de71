import { fileURLToPath } from 'node:url'
import type { Bench } from './bench.ts'
import type { LoopReport } from './clients/loop.ts'
import { cpuSeconds, processTree } from './proc.ts'
import type { Sample } from './row.ts'
import type { Running } from './subject.ts'
import type { Span } from './suite.ts'

export interface ClientLoad {
  readonly mode: string
  readonly concurrency: number
  readonly seconds: number
}

const readyMs = 30_000

/** Runs a load client of `clients/`. The proxy's CPU time is read right before and right after its span. */
export const measureClient = async (
  bench: Bench,
  script: string,
  target: Running,
  { mode, concurrency, seconds }: ClientLoad,
): Promise<LoopReport & { readonly cpuSeconds: number | undefined }> => {
  const file = fileURLToPath(new URL(`clients/${script}`, import.meta.url))
  const args = [file, mode, String(target.address.port), String(concurrency), String(seconds)]
  const client = bench.processes.start(process.execPath, ['--no-warnings', ...args], { core: bench.loadCore })
  const timer = setTimeout(() => client.kill(), readyMs + seconds * 2_000)
  try {
    await client.line(readyMs)
    const pids = target.pid === undefined ? [] : processTree(target.pid)
    const before = cpuSeconds(pids)
    client.say('go')
    const report = JSON.parse(await client.line(readyMs + seconds * 1_000)) as LoopReport
    const used = cpuSeconds(pids) - before
    const ended = await client.exited
    if (ended !== 'exit code 0') throw new Error(`${script}: ${ended} ${client.complaint.trim()}`)
    return { ...report, cpuSeconds: pids.length > 0 ? used : undefined }
  } finally {
    clearTimeout(timer)
    client.kill()
  }
}

/** The same twice where a warm-up is due: just-in-time compilers of the proxy need work, too. */
export const warmed = async <T>({ warmup, seconds }: Span, measure: (seconds: number) => Promise<T>): Promise<T> => {
  if (warmup > 0) await measure(warmup)
  return measure(seconds)
}

/** Work done in a second, by all lanes together. */
export const throughputSample = (report: LoopReport & { readonly cpuSeconds: number | undefined }): Sample => ({
  value: report.count / report.seconds,
  ...(report.cpuSeconds === undefined ? {} : { perProxyCpuSecond: report.count / report.cpuSeconds }),
  p50Us: report.p50Us,
  p99Us: report.p99Us,
})

/** How long one client that is alone waits. */
export const waitSample = ({ p50Us, p99Us }: LoopReport): Sample => ({ value: p50Us, p50Us, p99Us })
