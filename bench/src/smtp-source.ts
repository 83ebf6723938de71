import type { Bench } from './bench.ts'
import { cpuSeconds, processTree } from './proc.ts'
import type { Sample } from './row.ts'
import { runOnLoadCore } from './run-client.ts'
import type { Running } from './subject.ts'

export interface Mailing {
  readonly sessions: number
  readonly bytes: number
  /** Messages that one session sends; 1 = a connection for each. */
  readonly kept: boolean
  readonly seconds: number
}

const batch = 1_000

/** It ends with an error at the first reply that is not the one it wants. */
const send = (bench: Bench, { address }: Running, { sessions, bytes, kept }: Mailing): Promise<string> => {
  const size = ['-s', String(sessions), '-m', String(batch), '-l', String(bytes)]
  const who = ['-M', 'alpha.localhost', '-f', 'a@x.test', '-t', 'b@alpha.localhost']
  const where = `${address.host}:${address.port}`
  return runOnLoadCore(bench, 'smtp-source', [...(kept ? ['-d'] : []), ...size, ...who, where], 30_000)
}

/** Batches of messages until the time is over. The proxy's CPU time is read right before and right after. */
export const measureMailing = async (bench: Bench, target: Running, mailing: Mailing): Promise<Sample> => {
  const pids = target.pid === undefined ? [] : processTree(target.pid)
  const before = cpuSeconds(pids)
  const began = performance.now()
  let messages = 0
  while (performance.now() - began < mailing.seconds * 1000) {
    await send(bench, target, mailing)
    messages += batch
  }
  const cpu = cpuSeconds(pids) - before
  const value = messages / ((performance.now() - began) / 1000)
  return { value, ...(pids.length > 0 ? { perProxyCpuSecond: messages / cpu } : {}) }
}
