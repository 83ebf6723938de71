/** How long to wait before a process that died is started again: at once, then longer, until it lives for a while. */
export class Backoff {
  readonly #firstMs: number
  readonly #maxMs: number
  readonly #settledMs: number
  #failures = 0

  constructor(firstMs = 100, maxMs = 10_000, settledMs = 30_000) {
    this.#firstMs = firstMs
    this.#maxMs = maxMs
    this.#settledMs = settledMs
  }

  /** Milliseconds to wait after a process that lived for `livedMs` died. */
  next(livedMs: number): number {
    if (livedMs >= this.#settledMs) this.#failures = 0
    const delay = this.#failures === 0 ? 0 : Math.min(this.#maxMs, this.#firstMs * 2 ** (this.#failures - 1))
    this.#failures++
    return delay
  }
}
