import { GatewayError } from '../errors.ts'

const RETRY_AFTER_MS = 1_000

/** Counts who waits, in all and for each key, so that neither can fill the memory. */
export class WaitingRoom {
  readonly #most: number
  readonly #mostPerKey: number
  readonly #byKey = new Map<string, number>()
  #size = 0

  constructor(most: number, mostPerKey: number) {
    this.#most = most
    this.#mostPerKey = mostPerKey
  }

  /** Throws `PROXY_WAKE_QUEUE_FULL`. */
  enter(key: string): void {
    const count = this.#byKey.get(key) ?? 0
    if (this.#size >= this.#most || count >= this.#mostPerKey) {
      throw new GatewayError('PROXY_WAKE_QUEUE_FULL', { retryAfterMs: RETRY_AFTER_MS })
    }
    this.#size++
    this.#byKey.set(key, count + 1)
  }

  leave(key: string): void {
    this.#size--
    const count = (this.#byKey.get(key) ?? 0) - 1
    if (count > 0) this.#byKey.set(key, count)
    else this.#byKey.delete(key)
  }
}
