import { createHook } from 'node:async_hooks'

const live = new Set<number>()

createHook({
  init(id, type) {
    if (type === 'Timeout') live.add(id)
  },
  destroy(id) {
    live.delete(id)
  },
}).enable()

/** Timers of this process that were set after this module was loaded, unreferenced ones included. */
export const liveTimers = (): number => live.size
