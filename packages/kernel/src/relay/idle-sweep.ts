import type { Clock, Disposer } from '../contracts.ts'

/** Something that is ended when it was idle for too long. */
export interface Idler {
  /** Looks at what moved since the last look. False: no longer of interest. */
  sweep(now: number): boolean
}

const periodMs = 500
const sweeps = new WeakMap<Clock, Set<Idler>>()

/**
 * One timer a clock for all relays, so that none has a timer, and no byte that moves touches a deadline: a relay
 * compares its byte counters with those of the last sweep. Deadlines are therefore late by up to half a second.
 */
export function sweepWhile(clock: Clock, idler: Idler): Disposer {
  const idlers = sweeps.get(clock) ?? start(clock)
  idlers.add(idler)
  return () => idlers.delete(idler)
}

function start(clock: Clock): Set<Idler> {
  const idlers = new Set<Idler>()
  sweeps.set(clock, idlers)
  const stop = clock.every(periodMs, () => {
    const now = clock.now()
    for (const idler of idlers) if (!idler.sweep(now)) idlers.delete(idler)
    if (idlers.size > 0) return
    stop()
    sweeps.delete(clock)
  })
  return idlers
}
