import type { Clock } from '@proxy/kernel'

const firstMs = 500
const longestMs = 60_000
const settledMs = 30_000

/** How long a backend that fails over and over is left alone: not after the first time, then longer and longer. */
export class RestartDelay {
  readonly #clock: Clock
  #failures = 0
  #until = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Milliseconds until it may be started; 0 = now. */
  get leftMs(): number {
    return Math.max(0, this.#until - this.#clock.now())
  }

  /** It could not be started, or ended by itself after it had served for `livedMs`. */
  failed(livedMs: number): void {
    this.#failures = livedMs >= settledMs ? 1 : this.#failures + 1
    if (this.#failures === 1) return
    this.#until = this.#clock.now() + Math.min(longestMs, firstMs * 2 ** Math.min(this.#failures - 2, 20))
  }

  /** It was stopped in order. */
  reset(): void {
    this.#failures = 0
    this.#until = 0
  }
}
