import { lookup as systemLookup } from 'node:dns/promises'
import type { Clock } from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import { Flight } from './flight.ts'

/** Every address of a host name, as IP literals in the order in which they should be tried. */
export type Lookup = (host: string) => Promise<readonly string[]>

const MAX_NAMES = 10_000

interface Answer {
  readonly addresses: readonly string[]
  readonly expiresAt: number
}

/**
 * The system's host name lookup (hosts file and search domains included), asked once however many wait for the same name,
 * and remembered for a while. Failures are not remembered.
 */
export class Dns {
  readonly #clock: Clock
  readonly #ttlMs: number
  readonly #lookup: Lookup
  readonly #answers = new Map<string, Answer>()
  readonly #flights = new Map<string, Flight<readonly string[]>>()

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

  /** Asks the system. Rejects with `PROXY_DIAL_DNS` or the signal's reason. */
  ask(host: string, signal: AbortSignal): Promise<readonly string[]> {
    const flying = this.#flights.get(host)
    if (flying !== undefined) return flying.join(signal)
    const flight = new Flight<readonly string[]>()
    const joined = flight.join(signal)
    this.#flights.set(host, flight)
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
      flight.reject(new GatewayError('PROXY_DIAL_DNS', { cause }))
    } finally {
      this.#flights.delete(host)
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
