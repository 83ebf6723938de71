import { setTimeout as sleep } from 'node:timers/promises'
import { parseReport, type Program } from './native.ts'
import type { Bench } from './bench.ts'
import { memoryKib, processTree } from './proc.ts'
import type { Sample } from './row.ts'
import type { Running } from './subject.ts'

/** Lets timers, collectors and buffers come to rest before memory is read. */
const settleMs = 600

/**
 * Memory that one more idle connection costs: read with `first` connections open and again with `total`, so that what a
 * runtime takes once (heap, buffers, code) cancels out. Every connection has carried a message before and must after.
 */
export const idleMemory = async (
  bench: Bench,
  target: Running,
  program: Program,
  counts: { readonly first: number; readonly total: number },
): Promise<Sample> => {
  const { pid } = target
  if (pid === undefined) throw new Error('a direct connection has no proxy whose memory could be read')
  const client = bench.native.start(program, {
    mode: 'idle',
    port: target.address.port,
    connections: counts.total,
    first: counts.first,
  })
  const read = async (): Promise<number> => {
    parseReport(await client.line(30_000))
    await sleep(settleMs)
    const kib = memoryKib(processTree(pid))
    client.say('')
    return kib
  }
  try {
    const before = await read()
    const after = await read()
    parseReport(await client.line(30_000))
    return { value: (after - before) / (counts.total - counts.first) }
  } finally {
    client.kill()
  }
}
