import type { Clock, Dial, Dialled, DialRequest, Disposer } from '../contracts.ts'
import type { GatewayError } from '../errors.ts'
import { Flight } from './flight.ts'
import { wakeTimeout } from './wake-errors.ts'
import type { Wake } from './wake.ts'

/** How long dials are counted after a start, in which the herd comes. */
const watchMs = 1_000

export interface PacerOptions {
  /** Dials at a time. */
  readonly maxDials: number
  /** Until the deadline of the start. */
  readonly leftMs: number
}

/**
 * Lets those who waited for a backend dial it a few at a time, in their order, so that they do not crush it. A dial that ends
 * makes room for the next; no time passes in between. Over when the herd has gone through, or at the deadline.
 */
export class Pacer {
  readonly wake: Wake
  readonly #queue = new Flight<void>()
  readonly #timers: readonly Disposer[]
  readonly #over: () => void
  readonly #maxDials: number
  #dialling = 0
  #watching = true
  #closed = false

  constructor(wake: Wake, clock: Clock, { maxDials, leftMs }: PacerOptions, over: () => void) {
    this.wake = wake
    this.#maxDials = maxDials
    this.#over = over
    this.#timers = [clock.after(watchMs, () => this.#unwatch()), clock.after(leftMs, () => this.close(wakeTimeout()))]
  }

  get waiting(): number {
    return this.#queue.size
  }

  /** Waits for its turn, if it has to: between `enter`, which may throw, and what that returns. */
  async dial(next: Dial, request: DialRequest, signal: AbortSignal, enter: () => Disposer): Promise<Dialled> {
    if (this.#dialling < this.#maxDials) this.#dialling++
    else await this.#turn(signal, enter())
    try {
      return await next(request, signal)
    } finally {
      this.#leave()
    }
  }

  /** Ends it for all who wait. */
  close(error: GatewayError): void {
    if (this.#closed) return
    this.#closed = true
    for (const cancel of this.#timers) cancel()
    this.#queue.reject(error)
    this.#over()
  }

  async #turn(signal: AbortSignal, leave: Disposer): Promise<void> {
    try {
      await this.#queue.join(signal)
    } finally {
      leave()
    }
  }

  /** Hands the place on to whoever is next. */
  #leave(): void {
    if (this.#queue.resolveNext()) return
    this.#dialling--
    if (!this.#watching && this.#dialling === 0) this.close(wakeTimeout())
  }

  #unwatch(): void {
    this.#watching = false
    if (this.#dialling === 0) this.close(wakeTimeout())
  }
}
