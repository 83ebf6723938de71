import { GatewayError } from '../errors.ts'

/**
 * One piece of work that several callers wait for. Each caller leaves by its own signal, at once and alone; the work goes on
 * for the others. What becomes of work that nobody waits for is up to its owner: see `abandoned`.
 */
export class Flight<T> {
  readonly #waiters = new Set<Waiter<T>>()
  readonly #abandoned: (() => void) | undefined
  /** Where {@link resolveNext} is in the line: who begins anew passes by everybody that has left it. */
  #line: SetIterator<Waiter<T>> | undefined = undefined

  /** `abandoned` is called when the last waiter leaves before the flight has settled. */
  constructor(abandoned?: () => void) {
    this.#abandoned = abandoned
  }

  get size(): number {
    return this.#waiters.size
  }

  /** Settles with the flight, or rejects with the signal's reason when that comes first. */
  join(signal: AbortSignal): Promise<T> {
    if (signal.aborted) return Promise.reject(GatewayError.from(signal.reason, 'PROXY_CLIENT_GONE'))
    return new Promise((resolve, reject) => {
      this.#waiters.add(new Waiter(this, signal, resolve, reject))
    })
  }

  leave(waiter: Waiter<T>): void {
    if (this.#waiters.delete(waiter) && this.#waiters.size === 0) this.#abandoned?.()
  }

  resolve(value: T): void {
    for (const waiter of this.#take()) waiter.resolve(value)
  }

  /** The same for the one alone who has waited longest; false when nobody waits. */
  resolveNext(value: T): boolean {
    // Where nobody waits, the line is not looked at: it would be at its end for ever, whoever joins.
    if (this.#waiters.size === 0) return false
    const { value: waiter, done } = (this.#line ??= this.#waiters.values()).next()
    if (done === true) return false
    this.#waiters.delete(waiter)
    waiter.resolve(value)
    return true
  }

  reject(error: unknown): void {
    for (const waiter of this.#take()) waiter.reject(error)
  }

  #take(): readonly Waiter<T>[] {
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    return waiters
  }
}

class Waiter<T> {
  readonly #flight: Flight<T>
  readonly #signal: AbortSignal
  readonly #resolve: (value: T) => void
  readonly #reject: (error: unknown) => void

  constructor(flight: Flight<T>, signal: AbortSignal, resolve: (value: T) => void, reject: (error: unknown) => void) {
    this.#flight = flight
    this.#signal = signal
    this.#resolve = resolve
    this.#reject = reject
    signal.addEventListener('abort', this)
  }

  resolve(value: T): void {
    this.#signal.removeEventListener('abort', this)
    this.#resolve(value)
  }

  reject(error: unknown): void {
    this.#signal.removeEventListener('abort', this)
    this.#reject(error)
  }

  /** The signal's 'abort'. */
  handleEvent(): void {
    this.reject(GatewayError.from(this.#signal.reason, 'PROXY_CLIENT_GONE'))
    this.#flight.leave(this)
  }
}
