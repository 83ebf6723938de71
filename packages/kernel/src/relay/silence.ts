import type { Clock, Disposer } from '../contracts.ts'
import { type Idler, sweepWhile } from './idle-sweep.ts'

/** A relay whose silence matters. */
export interface Silenceable {
  readonly bytesMoved: number
  /** No byte has moved for so long. False: it is of no more interest. */
  silent(silentMs: number): boolean
}

/** Tells a relay for how long no byte has moved. Only relays with a reason to ask have one. */
export class Silence implements Idler {
  readonly #relay: Silenceable
  readonly #clock: Clock
  #moved = 0
  #movedAt = 0
  #stop: Disposer | undefined = undefined

  constructor(relay: Silenceable, clock: Clock) {
    this.#relay = relay
    this.#clock = clock
  }

  begin(): void {
    this.#movedAt = this.#clock.now()
    this.#stop ??= sweepWhile(this.#clock, this)
  }

  end(): void {
    this.#stop?.()
  }

  sweep(now: number): boolean {
    const moved = this.#relay.bytesMoved
    if (moved === this.#moved) return this.#relay.silent(now - this.#movedAt)
    this.#moved = moved
    this.#movedAt = now
    return true
  }
}
