import type { Clock, Disposer } from '../contracts.ts'

interface Timer {
  at: number
  readonly everyMs: number | undefined
  readonly callback: () => void
}

/** Time that moves only when told. */
export class FakeClock implements Clock {
  #now = 0
  readonly #timers = new Set<Timer>()

  get timers(): number {
    return this.#timers.size
  }

  now(): number {
    return this.#now
  }

  after(delayMs: number, callback: () => void): Disposer {
    return this.#add({ at: this.#now + delayMs, everyMs: undefined, callback })
  }

  every(periodMs: number, callback: () => void): Disposer {
    return this.#add({ at: this.#now + periodMs, everyMs: periodMs, callback })
  }

  /** Runs what falls due, in order. */
  advance(ms: number): void {
    const until = this.#now + ms
    for (let due = this.#next(until); due !== undefined; due = this.#next(until)) {
      this.#now = due.at
      if (due.everyMs === undefined) this.#timers.delete(due)
      else due.at += due.everyMs
      due.callback()
    }
    this.#now = until
  }

  #add(timer: Timer): Disposer {
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  #next(until: number): Timer | undefined {
    return [...this.#timers].filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)[0]
  }
}
