/** Token bucket: `perSecond` on average, as many at once. No timer; tokens are counted when they are asked for. */
export class Rate {
  readonly #perSecond: number
  #tokens: number
  #at: number

  constructor(perSecond: number, now: number) {
    this.#perSecond = perSecond
    this.#tokens = perSecond
    this.#at = now
  }

  /** Takes one token; false when there is none. */
  take(now: number): boolean {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return true
    this.#tokens = Math.min(this.#perSecond, this.#tokens + ((now - this.#at) / 1_000) * this.#perSecond)
    this.#at = now
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}
