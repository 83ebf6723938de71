import type { Clock } from '../contracts.ts'
import { GatewayError } from '../errors.ts'

const MAX_KEYS = 65_536

/**
 * So many a second for each key, with a burst of as many. One number a key: the time at which all that was taken so far
 * has been paid off. Keys beyond a bound are forgotten, the longest unused first.
 */
export class RateLimit {
  readonly #intervalMs: number
  readonly #burstMs: number
  readonly #paidAt = new Map<string, number>()

  /** `perSecond` may be Infinity. */
  constructor(perSecond: number) {
    this.#intervalMs = 1_000 / perSecond
    this.#burstMs = Math.max(0, 1_000 - this.#intervalMs)
  }

  /** Keys that are remembered. */
  get keys(): number {
    return this.#paidAt.size
  }

  /** Throws `PROXY_LIMIT_RATE` when the key has taken too many. */
  take(key: string, clock: Clock): void {
    if (this.#intervalMs === 0) return
    const now = clock.now()
    const paidAt = Math.max(now, this.#paidAt.get(key) ?? now)
    const wait = paidAt - now - this.#burstMs
    // Sums of fractions of a millisecond are not exact.
    if (wait > 1e-6) throw new GatewayError('PROXY_LIMIT_RATE', { retryAfterMs: Math.ceil(wait) })
    this.#paidAt.delete(key)
    this.#paidAt.set(key, paidAt + this.#intervalMs)
    if (this.#paidAt.size > MAX_KEYS) this.#forgetOldest()
  }

  #forgetOldest(): void {
    for (const oldest of this.#paidAt.keys()) {
      this.#paidAt.delete(oldest)
      return
    }
  }
}
