import { writeFileSync } from 'node:fs'
import { connect, type OutgoingHttpHeaders } from 'node:http2'
import { join } from 'node:path'
import type { Bench } from './bench.ts'
import { cpuSeconds, processTree } from './proc.ts'
import type { Sample } from './row.ts'
import { runOnLoadCore } from './run-client.ts'
import type { Running } from './subject.ts'

/** What is asked for, and what must come back. */
export interface Http2Load {
  readonly path: string
  /** Bytes of the request body; 0: GET. */
  readonly sends: number
  readonly answer: Buffer
  /** TLS, checked against this authority; absent: prior knowledge. */
  readonly ca?: string | undefined
}

export interface H2loadReport {
  readonly requests: number
  readonly seconds: number
  /** Of response bodies. */
  readonly bytes: number
}

const authority = 'alpha.localhost'
const connections = 8
const streams = 16

const number = (text: string, pattern: RegExp): number => {
  const match = pattern.exec(text)
  if (match === null) throw new Error(`h2load printed nothing like ${pattern.source}`)
  return Number(match[1])
}

/** What h2load printed at its end. Throws when any response was not a success or a connection failed. */
export const parseH2load = (text: string): H2loadReport => {
  for (const fault of ['failed', 'errored', 'timeout']) {
    const count = number(text, new RegExp(`^requests: .*?(\\d+) ${fault}`, 'm'))
    if (count > 0) throw new Error(`${count} requests ${fault}`)
  }
  for (const status of ['3xx', '4xx', '5xx']) {
    const count = number(text, new RegExp(`^status codes: .*?(\\d+) ${status}`, 'm'))
    if (count > 0) throw new Error(`${count} answers were ${status}`)
  }
  const requests = number(text, /^status codes: (\d+) 2xx/m)
  if (requests === 0) throw new Error('nothing was answered')
  return {
    requests,
    seconds: number(text, /^finished in ([\d.]+)s/m),
    bytes: number(text, /^traffic: .*\((\d+)\) data/m),
  }
}

/** The pattern of `native/common.h`: the backend checks what it is sent, and sends the same. */
export const pattern = (length: number): Buffer => {
  const bytes = Buffer.alloc(length)
  let state = 2_463_534_242
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state >>> 24
  }
  return bytes
}

/** Asks on all streams of one connection at once, twice, and compares every byte. */
const checkAnswers = async ({ address }: Running, load: Http2Load): Promise<void> => {
  const scheme = load.ca === undefined ? 'http' : 'https'
  const session = connect(`${scheme}://${address.host}:${address.port}`, { ca: load.ca, servername: authority })
  const failed = new Promise<never>((_, reject) => session.once('error', reject))
  const ask = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const head: OutgoingHttpHeaders = { ':path': load.path, ':authority': authority, 'user-agent': 'check' }
      if (load.sends > 0) Object.assign(head, { ':method': 'POST', 'content-length': load.sends })
      const stream = session.request(head, { endStream: load.sends === 0 })
      if (load.sends > 0) stream.end(pattern(load.sends))
      const chunks: Buffer[] = []
      let status = 0
      stream.once('response', (fields) => (status = Number(fields[':status'])))
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.once('error', reject)
      stream.once('end', () => {
        if (status === 200 && Buffer.concat(chunks).equals(load.answer)) resolve()
        else reject(new Error(`a wrong answer: ${status}, ${Buffer.concat(chunks).length} bytes`))
      })
    })
  const late = new Promise<never>((_, reject) => {
    const timer = setTimeout(reject, 10_000, new Error('no answer within 10 s'))
    session.once('close', () => clearTimeout(timer))
  })
  try {
    for (let i = 0; i < 2; i++) await Promise.race([Promise.all(Array.from({ length: streams }, ask)), failed, late])
  } finally {
    session.destroy()
  }
}

const runH2load = async (bench: Bench, target: Running, load: Http2Load, seconds: number): Promise<H2loadReport> => {
  const body = join(bench.directory, `h2load-${load.sends}`)
  if (load.sends > 0) writeFileSync(body, pattern(load.sends))
  const scheme = load.ca === undefined ? 'http' : 'https'
  const url = `${scheme}://${target.address.host}:${target.address.port}${load.path}`
  const size = ['-c', String(connections), '-m', String(streams), '-t', '1', '-D', String(seconds)]
  const request = ['-H', `:authority: ${authority}`, ...(load.sends > 0 ? ['-d', body] : [])]
  return parseH2load(await runOnLoadCore(bench, 'h2load', [...size, ...request, url], (seconds + 15) * 1000))
}

/**
 * One span of load. h2load counts statuses and bytes, but compares none: a client of ours does so before and after the span.
 * The CPU time of the proxy is read right before and right after it.
 */
export const measureH2load = async (
  bench: Bench,
  target: Running,
  load: Http2Load,
  span: { readonly warmup: number; readonly seconds: number },
): Promise<Sample> => {
  await checkAnswers(target, load)
  // h2load counts in whole seconds.
  const seconds = Math.max(1, Math.round(span.seconds))
  await runH2load(bench, target, load, Math.max(1, Math.round(span.warmup)))
  const pids = target.pid === undefined ? [] : processTree(target.pid)
  const before = cpuSeconds(pids)
  const report = await runH2load(bench, target, load, seconds)
  const cpu = cpuSeconds(pids) - before
  await checkAnswers(target, load)
  const { requests, bytes } = report
  // Of answers that the end of the span cuts off, either only the head has been counted, or only the body.
  const unfinished = connections * streams
  const whole = bytes / load.answer.length
  if (whole < requests - unfinished || whole > requests + unfinished)
    throw new Error(`${requests} answers of ${load.answer.length} bytes had ${bytes} in all`)
  return { value: requests / report.seconds, ...(pids.length > 0 ? { perProxyCpuSecond: requests / cpu } : {}) }
}
