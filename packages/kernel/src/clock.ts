import type { Clock, Disposer } from './contracts.ts'

/** Real time. Timers are unreferenced: what keeps the process alive is sockets, not deadlines. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(delayMs: number, callback: () => void): Disposer {
    const timer = setTimeout(callback, delayMs).unref()
    return () => clearTimeout(timer)
  },
  every(periodMs: number, callback: () => void): Disposer {
    const timer = setInterval(callback, periodMs).unref()
    return () => clearInterval(timer)
  },
}
