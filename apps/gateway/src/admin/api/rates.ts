import type { Sample } from '@proxy/telemetry'
import { mergedListeners, mergedSamples, mergedTenants } from '../snapshot.ts'
import type { Look } from './look.ts'

/** Per second, over the time between two looks. */
export interface Rates {
  /** Milliseconds that the rates are taken over. */
  readonly windowMs: number
  readonly accepted: number
  readonly refused: number
  readonly routes: number
  /** Answered HTTP requests. */
  readonly requests: number
}

/** One moment of the last minutes, for plots. */
export interface HistoryPoint {
  readonly at: number
  readonly connections: Readonly<Record<string, number>>
  /** Bytes per second, both ways. */
  readonly byteRates: Readonly<Record<string, number>>
}

/** Counters of one look. */
interface Totals {
  readonly at: number
  readonly listeners: ReadonlyMap<string, { readonly accepted: number; readonly refused: number }>
  readonly tenants: ReadonlyMap<string, number>
  /** By listener. */
  readonly requests: ReadonlyMap<string, number>
  readonly bytes: ReadonlyMap<string, number>
}

const kept = 120
// Rates over less than this say nothing.
const leastMs = 900

/** Turns counters that only grow into rates. */
export class RateKeeper {
  #history: HistoryPoint[] = []
  #before: Totals
  #latest: Totals

  /** The counters began at 0 at `startedAt`. */
  constructor(startedAt: number) {
    this.#before = { at: startedAt, listeners: new Map(), tenants: new Map(), requests: new Map(), bytes: new Map() }
    this.#latest = this.#before
  }

  /** Oldest first. */
  get history(): readonly HistoryPoint[] {
    return this.#history
  }

  /** A look soon after the one before changes nothing. */
  add(look: Look): void {
    if (look.at - this.#latest.at < leastMs) return
    this.#before = this.#latest
    this.#latest = totalsOf(look)
    const listeners = mergedListeners(look.fleet)
    const point: HistoryPoint = {
      at: look.at,
      connections: Object.fromEntries(listeners.map(({ name, connections }) => [name, connections])),
      byteRates: Object.fromEntries(listeners.map(({ name }) => [name, this.listener(name).bytes])),
    }
    this.#history = [...this.#history.slice(1 - kept), point]
  }

  get all(): Rates {
    const names = [...this.#latest.listeners.keys()]
    const total = (of: (name: string) => number): number => rounded(names.reduce((sum, name) => sum + of(name), 0))
    const routes = [...this.#latest.tenants.keys()].reduce((sum, tenant) => sum + this.tenant(tenant), 0)
    return {
      windowMs: this.#latest.at - this.#before.at,
      accepted: total((name) => this.listener(name).accepted),
      refused: total((name) => this.listener(name).refused),
      routes: rounded(routes),
      requests: total((name) => this.listener(name).requests),
    }
  }

  listener(name: string): { accepted: number; refused: number; requests: number; bytes: number } {
    const [before, latest] = [this.#before.listeners.get(name), this.#latest.listeners.get(name)]
    const accepted = this.#rate(before?.accepted, latest?.accepted)
    const requests = this.#rate(this.#before.requests.get(name), this.#latest.requests.get(name))
    const bytes = this.#rate(this.#before.bytes.get(name), this.#latest.bytes.get(name))
    return { accepted, refused: this.#rate(before?.refused, latest?.refused), requests, bytes }
  }

  /** Routes per second. */
  tenant(key: string): number {
    return this.#rate(this.#before.tenants.get(key), this.#latest.tenants.get(key))
  }

  // What a worker that died had counted after it was last asked is lost: never below 0.
  #rate(before = 0, latest = 0): number {
    const elapsedMs = this.#latest.at - this.#before.at
    return elapsedMs <= 0 ? 0 : rounded((Math.max(0, latest - before) * 1_000) / elapsedMs)
  }
}

const rounded = (rate: number): number => Math.round(rate * 10) / 10

function totalsOf({ at, fleet, live }: Look): Totals {
  const samples = mergedSamples(fleet)
  return {
    at,
    listeners: new Map(mergedListeners(fleet).map(({ name, accepted, refused }) => [name, { accepted, refused }])),
    tenants: new Map(Object.entries(mergedTenants(fleet)).map(([tenant, { routes }]) => [tenant, routes])),
    requests: byListener((samples.requests ?? []).map(facts)),
    bytes: byListener([
      ...(samples.sessionBytes ?? []).map(facts),
      ...live.flatMap(({ bytes }) => Object.entries(bytes)),
    ]),
  }
}

const facts = ({ labels, value }: Sample): [listener: string, value: number] => [labels[0] ?? '', value]

function byListener(values: readonly (readonly [listener: string, value: number])[]): Map<string, number> {
  const sums = new Map<string, number>()
  for (const [listener, value] of values) sums.set(listener, (sums.get(listener) ?? 0) + value)
  return sums
}
