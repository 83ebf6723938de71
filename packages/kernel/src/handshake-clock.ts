import type { Clock } from './contracts.ts'

/** The handshake deadline of one session. It stands still while the gateway resolves, wakes or dials: that is not the client's time. */
export class HandshakeClock {
  readonly #clock: Clock
  readonly #timeoutMs: number
  #deadlineAt: number
  #stoppedAt: number | undefined = undefined
  #stops = 0

  constructor(clock: Clock, timeoutMs: number, startedAt: number) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    this.#deadlineAt = startedAt + timeoutMs
  }

  /** Stops nest. */
  stop(): void {
    this.#stops += 1
    this.#stoppedAt ??= this.#clock.now()
  }

  start(): void {
    this.#stops -= 1
    if (this.#stops > 0 || this.#stoppedAt === undefined) return
    this.#deadlineAt += this.#clock.now() - this.#stoppedAt
    this.#stoppedAt = undefined
  }

  /** All the time again, from now on. */
  restart(): void {
    const now = this.#clock.now()
    this.#deadlineAt = now + this.#timeoutMs
    if (this.#stoppedAt !== undefined) this.#stoppedAt = now
  }

  isOver(now: number): boolean {
    return this.#stoppedAt === undefined && now >= this.#deadlineAt
  }
}
