import type { Clock, Disposer } from '@proxy/kernel'

const windowMs = 1_000
/** Addresses that are told apart in one window; beyond it all others are refused. Bounds the memory of a flood. */
const maxAddresses = 10_000

/** So many a second for each client address. Costs no timer while nobody cancels. */
export class CancelRate {
  readonly #perSecond: number
  readonly #clock: Clock
  readonly #counts: Map<string, number> = new Map()
  #reset: Disposer | undefined

  constructor(perSecond: number, clock: Clock) {
    this.#perSecond = perSecond
    this.#clock = clock
  }

  admits(address: string): boolean {
    this.#reset ??= this.#clock.after(windowMs, () => this.stop())
    const count = this.#counts.get(address) ?? 0
    if (count >= this.#perSecond || (count === 0 && this.#counts.size >= maxAddresses)) return false
    this.#counts.set(address, count + 1)
    return true
  }

  stop(): void {
    this.#reset?.()
    this.#reset = undefined
    this.#counts.clear()
  }
}
