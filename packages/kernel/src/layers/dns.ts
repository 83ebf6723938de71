import { lookup as systemLookup } from 'node:dns/promises'
import type { Clock } from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import { Flight } from './flight.ts'

/** Every address of a host name, as IP literals in the order in which they should be tried. */
export type Lookup = (host: string) => Promise<readonly string[]>

const MAX_NAMES = 10_000
/** For so long an answer that is out of date still stands in when DNS is silent or fails. */
const STALE_MS = 300_000
/** Whoever has such an answer waits no longer than this for a new one. */
const PATIENCE_MS = 250

interface Answer {
  readonly addresses: readonly string[]
  readonly expiresAt: number
}

interface Question {
  readonly flight: Flight<readonly string[]>
  readonly askedAt: number
}

/**
 * The system's host name lookup (hosts file and search domains included), asked once however many wait for the same name,
 * and remembered for a while. Failures are not remembered, and what was known before outlives them for some time: only the
 * answer that there is no such name takes it away.
 */
export class Dns {
  readonly #clock: Clock
  readonly #ttlMs: number
  readonly #lookup: Lookup
  readonly #answers = new Map<string, Answer>()
  readonly #questions = new Map<string, Question>()

  constructor(clock: Clock, ttlMs: number, lookup: Lookup = lookupAll) {
    this.#clock = clock
    this.#ttlMs = ttlMs
    this.#lookup = lookup
  }

  /** What is remembered of the name. */
  known(host: string): readonly string[] | undefined {
    const answer = this.#answers.get(host)
    return answer !== undefined && answer.expiresAt > this.#clock.now() ? answer.addresses : undefined
  }

  /** What was remembered until lately, for when the name cannot be looked up. */
  stale(host: string): readonly string[] | undefined {
    const answer = this.#answers.get(host)
    return answer !== undefined && answer.expiresAt + STALE_MS > this.#clock.now() ? answer.addresses : undefined
  }

  /** How long a new answer is worth waiting for, of at most `timeoutMs`; 0 when the question has been open for long. */
  patienceMs(host: string, timeoutMs: number): number {
    if (this.stale(host) === undefined) return timeoutMs
    const askedAt = this.#questions.get(host)?.askedAt ?? this.#clock.now()
    return Math.max(0, Math.min(timeoutMs, PATIENCE_MS + askedAt - this.#clock.now()))
  }

  /** Asks the system. Rejects with `PROXY_DIAL_DNS` or the signal's reason. */
  ask(host: string, signal: AbortSignal): Promise<readonly string[]> {
    const open = this.#questions.get(host)
    if (open !== undefined) return open.flight.join(signal)
    const flight = new Flight<readonly string[]>()
    const joined = flight.join(signal)
    this.#questions.set(host, { flight, askedAt: this.#clock.now() })
    void this.#fly(host, flight)
    return joined
  }

  async #fly(host: string, flight: Flight<readonly string[]>): Promise<void> {
    try {
      const addresses = await this.#lookup(host)
      if (addresses.length === 0) throw new Error(`${host} has no address`)
      this.#remember(host, addresses)
      flight.resolve(addresses)
    } catch (cause) {
      // The name is gone: its old address may be somebody else's by now.
      if ((cause as NodeJS.ErrnoException).code === 'ENOTFOUND') this.#answers.delete(host)
      flight.reject(new GatewayError('PROXY_DIAL_DNS', { cause }))
    } finally {
      this.#questions.delete(host)
    }
  }

  #remember(host: string, addresses: readonly string[]): void {
    this.#answers.delete(host)
    if (this.#ttlMs === 0) return
    this.#answers.set(host, { addresses, expiresAt: this.#clock.now() + this.#ttlMs })
    if (this.#answers.size <= MAX_NAMES) return
    for (const oldest of this.#answers.keys()) {
      this.#answers.delete(oldest)
      return
    }
  }
}

async function lookupAll(host: string): Promise<readonly string[]> {
  const found = await systemLookup(host, { all: true, order: 'verbatim' })
  return found.map(({ address }) => address)
}
