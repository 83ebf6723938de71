import { queueFull } from './wake-errors.ts'

export interface RoomLimits {
  readonly maxWaiters: number
  readonly maxWaitersPerKey: number
  readonly maxWaitingBytes: number
}

/** Counts who waits, and the bytes that are held for them: in all and for each key, so that neither can fill the memory. */
export class WaitingRoom {
  readonly #limits: RoomLimits
  readonly #byKey = new Map<string, number>()
  #size = 0
  #bytes = 0

  constructor(limits: RoomLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Throws `PROXY_WAKE_QUEUE_FULL`. */
  enter(key: string, bytes: number): void {
    const { maxWaiters, maxWaitersPerKey, maxWaitingBytes } = this.#limits
    const count = this.#byKey.get(key) ?? 0
    if (this.#size >= maxWaiters || count >= maxWaitersPerKey || this.#bytes + bytes > maxWaitingBytes) {
      throw queueFull()
    }
    this.#size++
    this.#bytes += bytes
    this.#byKey.set(key, count + 1)
  }

  /** With the bytes that were given to `enter`. */
  leave(key: string, bytes: number): void {
    this.#size--
    this.#bytes -= bytes
    const count = (this.#byKey.get(key) ?? 0) - 1
    if (count > 0) this.#byKey.set(key, count)
    else this.#byKey.delete(key)
  }
}
