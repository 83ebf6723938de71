import type { Clock, Disposer } from '@proxy/kernel'

interface Timer {
  due: number
  readonly periodMs: number | undefined
  readonly callback: () => void
}

/** A clock that stands still until it is told to advance. */
export interface FakeClock extends Clock {
  /** Timers that were neither run nor disposed of. */
  readonly pending: number
  /** Runs what falls due within `ms`, in order of time, each at its own time; then stands there. */
  advance(ms: number): void
}

class ManualClock implements FakeClock {
  #now = 0
  readonly #timers = new Set<Timer>()

  get pending(): number {
    return this.#timers.size
  }

  now(): number {
    return this.#now
  }

  after(delayMs: number, callback: () => void): Disposer {
    return this.#add({ due: this.#now + Math.max(0, delayMs), periodMs: undefined, callback })
  }

  every(periodMs: number, callback: () => void): Disposer {
    // A period of nothing would never let the time pass.
    const period = Math.max(1, periodMs)
    return this.#add({ due: this.#now + period, periodMs: period, callback })
  }

  advance(ms: number): void {
    const end = this.#now + ms
    for (let timer = this.#next(end); timer !== undefined; timer = this.#next(end)) {
      this.#now = Math.max(this.#now, timer.due)
      if (timer.periodMs === undefined) this.#timers.delete(timer)
      else timer.due += timer.periodMs
      timer.callback()
    }
    this.#now = end
  }

  #add(timer: Timer): Disposer {
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  #next(end: number): Timer | undefined {
    let next: Timer | undefined
    for (const timer of this.#timers) {
      if (timer.due <= end && (next === undefined || timer.due < next.due)) next = timer
    }
    return next
  }
}

export function fakeClock(): FakeClock {
  return new ManualClock()
}
