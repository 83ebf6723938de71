import type { OnDemand } from './on-demand.ts'

/** One backend in `stats()`. */
export const reported = ({ name, state, sinceMs, starts, connections }: OnDemand): Record<string, unknown> => ({
  backend: name,
  state,
  sinceMs,
  starts,
  connections,
})

/** Those that run come first. */
export const byActivity = (a: OnDemand, b: OnDemand): number =>
  Number(a.state === 'asleep') - Number(b.state === 'asleep')
