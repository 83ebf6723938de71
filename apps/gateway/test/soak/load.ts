import { type ProtocolName, putOnce, speakers, told } from '../faults/speakers.ts'
import type { Random } from './random.ts'

/** Something that a client did, in milliseconds of `performance.now`. */
export interface Deed {
  readonly protocol: ProtocolName
  readonly from: number
  readonly to: number
  /** `ok`, or what the client was told. */
  readonly told: string
  readonly message: string
  /** When it ended, as the gateway's log says it. */
  readonly atMs: number
}

export interface LoadOptions {
  readonly port: number
  readonly random: Random
  readonly done: (deed: Deed) => void
  readonly acknowledged: (id: string) => void
  readonly over: () => boolean
}

/** One deed longer than this is one that hangs. */
const longestMs = 60_000

let next = 0

/** A client that comes and goes: single puts, sessions of several, and pauses in which its tenant falls asleep. */
export async function client(protocol: ProtocolName, options: LoadOptions): Promise<void> {
  const { random, over } = options
  while (!over()) {
    const begun = performance.now()
    const busyMs = random.between(3_000, 15_000)
    while (!over() && performance.now() - begun < busyMs) {
      await (random.chance(0.7) ? once(protocol, options) : session(protocol, options))
      await pause(random.between(5, 60))
    }
    await pause(random.chance(0.5) ? random.between(6_000, 12_000) : random.between(100, 1_000), over)
  }
}

async function once(protocol: ProtocolName, options: LoadOptions): Promise<void> {
  await deed(protocol, options, (id) => putOnce(protocol, options.port, 'straight', id))
}

/** A connection that is kept for several puts. Where it breaks, the rest of them are left out. */
async function session(protocol: ProtocolName, options: LoadOptions): Promise<void> {
  let talk: Awaited<ReturnType<(typeof speakers)[ProtocolName]>> | undefined
  const well = await deed(protocol, options, async (id) => {
    talk = await speakers[protocol](options.port, 'straight')
    await talk.put(id)
  })
  for (let puts = options.random.between(1, 20); well && puts > 0; puts--) {
    if (!(await deed(protocol, options, (id) => talk!.put(id)))) break
    await pause(options.random.between(1, 50))
  }
  await talk?.close().catch(() => {})
}

async function deed(
  protocol: ProtocolName,
  options: LoadOptions,
  act: (id: string) => Promise<void>,
): Promise<boolean> {
  const id = `${protocol}-soak-${next++}`
  const from = performance.now()
  const done = (what: string, message: string): void =>
    options.done({ protocol, from, to: performance.now(), told: what, message, atMs: Date.now() })
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(Object.assign(new Error('it hangs'), { status: 0 })), longestMs)
  try {
    await Promise.race([act(id), late])
    options.acknowledged(id)
    done('ok', '')
    return true
  } catch (error) {
    done(told(error), (error as Error).message)
    return false
  } finally {
    clearTimeout(timer)
  }
}

async function pause(ms: number, over?: () => boolean): Promise<void> {
  const end = performance.now() + ms
  while (performance.now() < end && over?.() !== true) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(500, end - performance.now())))
  }
}
