import type { Bus } from './bus.ts'
import * as scripts from './scripts.ts'

/** How long a lock that nobody holds is remembered. */
const keepMs = 24 * 3_600_000

export interface Held {
  readonly token: number
  /** Of another holder: milliseconds until it may be taken over. */
  readonly leftMs: number
}

/**
 * A lock among machines, which ends by itself. Each time that it is given a higher token goes with it (a fencing token), by
 * which writes of a holder that has lost it without noticing are refused.
 */
export class Lease {
  readonly token: number
  /** Aborted when it was lost: renewing failed for as long as it lasts, or another one has it. */
  readonly lost: AbortSignal
  readonly #bus: Bus
  readonly #key: string
  readonly #leaseMs: number
  readonly #losing: AbortController = new AbortController()
  readonly #timer: NodeJS.Timeout
  #renewedAt: number
  #released = false

  private constructor(bus: Bus, key: string, leaseMs: number, token: number, askedAt: number) {
    this.#bus = bus
    this.#key = key
    this.#leaseMs = leaseMs
    this.token = token
    this.#renewedAt = askedAt
    this.lost = this.#losing.signal
    this.#timer = setInterval(() => void this.#renew(), leaseMs / 3).unref()
  }

  static keyOf(bus: Bus, name: string): string {
    return `${bus.prefix}lock:${name}`
  }

  /** The lease, or who has it. Throws `RedisAwayError`. */
  static async take(bus: Bus, name: string, leaseMs: number): Promise<Lease | Held> {
    const key = Lease.keyOf(bus, name)
    const askedAt = performance.now()
    const answer = await bus.link.run((client) =>
      client.eval(scripts.acquire, 1, key, leaseMs, Math.max(keepMs, leaseMs)),
    )
    const [taken, token = 0, leftMs = 0] = answer as number[]
    return taken === 1 ? new Lease(bus, key, leaseMs, token, askedAt) : { token, leftMs }
  }

  /** Nobody else can have it yet, whether or not Redis can be asked. */
  get sure(): boolean {
    return !this.#released && performance.now() - this.#renewedAt < this.#leaseMs
  }

  /** Gives it up. What cannot be said to Redis is said by the lease's end. */
  async release(): Promise<void> {
    if (this.#released) return
    this.#released = true
    clearInterval(this.#timer)
    await this.#extend(0).catch(() => undefined)
  }

  async #renew(): Promise<void> {
    const askedAt = performance.now()
    try {
      if ((await this.#extend(this.#leaseMs)) === 1) this.#renewedAt = askedAt
      else this.#lose()
    } catch {
      if (!this.sure) this.#lose()
    }
  }

  #lose(): void {
    if (this.#released) return
    this.#released = true
    clearInterval(this.#timer)
    this.#losing.abort(new Error('the lock was lost'))
  }

  #extend(leaseMs: number): Promise<unknown> {
    return this.#bus.link.run((client) => client.eval(scripts.extend, 1, this.#key, this.token, leaseMs))
  }
}
