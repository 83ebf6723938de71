import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench } from './bench.ts'
import { type Native, parseReport, type Program } from './native.ts'
import { cpuSeconds, memoryKib, processTree, slabKib } from './proc.ts'
import type { Sample } from './row.ts'
import type { Running } from './subject.ts'

/**
 * Traffic before memory is read. A heap grows once, to what traffic makes of it, and not with every connection: 8 MiB that come between the two
 * readings would look like a KiB for each.
 */
export const trafficSeconds = 2

/** Lets timers, collectors and buffers come to rest before anything is read. */
const settleMs = 600

export interface IdleCounts {
  readonly first: number
  readonly total: number
}

type Read<T> = (pids: readonly number[]) => T | Promise<T>

const readOnce = async <T>(
  client: ReturnType<Native['start']>,
  read: Read<T>,
  pids: () => readonly number[],
): Promise<T> => {
  parseReport(await client.line(30_000))
  await sleep(settleMs)
  const value = await read(pids())
  client.say('')
  return value
}

/**
 * Reads something of a proxy with `first` idle connections open and again with `total`. Every connection has carried a message
 * before and must after.
 */
export const whileIdle = async <T>(
  bench: Bench,
  target: Running,
  program: Program,
  { first, total }: IdleCounts,
  read: Read<T>,
): Promise<readonly [T, T]> => {
  const { pid } = target
  if (pid === undefined) throw new Error('a direct connection has no proxy that could be looked at')
  const client = bench.native.start(program, { mode: 'idle', port: target.address.port, connections: total, first })
  const pids = (): readonly number[] => processTree(pid)
  try {
    const before = await readOnce(client, read, pids)
    const after = await readOnce(client, read, pids)
    parseReport(await client.line(30_000))
    return [before, after]
  } finally {
    client.kill()
  }
}

/** What one more connection adds: what a runtime takes once (heap, buffers, code) cancels out. */
const perConnection = async (
  bench: Bench,
  target: Running,
  program: Program,
  counts: IdleCounts,
  read: Read<number>,
): Promise<number> => {
  const [before, after] = await whileIdle(bench, target, program, counts, read)
  return (after - before) / (counts.total - counts.first)
}

type IdleMeasure = (bench: Bench, target: Running, program: Program, counts: IdleCounts) => Promise<Sample>

/** User memory (PSS) in KiB. */
export const idleMemory: IdleMeasure = async (bench, target, program, counts) => ({
  value: await perConnection(bench, target, program, counts, memoryKib),
})

/**
 * Memory of the kernel in KiB: half of what the machine's slab grows by, for of the four ends of a proxied connection on
 * loopback two belong to the proxy.
 */
export const idleKernelMemory: IdleMeasure = async (bench, target, program, counts) => ({
  value: (await perConnection(bench, target, program, counts, slabKib)) / 2,
})

const watchedSeconds = 4

/** CPU time in microseconds for each second of an idle connection: what looking after timeouts costs. */
export const idleCpuTime: IdleMeasure = async (bench, target, program, counts) => {
  const used = async (pids: readonly number[]): Promise<number> => {
    const before = cpuSeconds(pids)
    await sleep(watchedSeconds * 1000)
    return cpuSeconds(pids) - before
  }
  return { value: ((await perConnection(bench, target, program, counts, used)) / watchedSeconds) * 1e6 }
}
