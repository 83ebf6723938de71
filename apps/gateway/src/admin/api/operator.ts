import type { SessionFilter, SessionStats } from '@proxy/kernel'
import { type Announcement } from '../../fleet/announcer.ts'
import { type LiveTenants, operateTopics, type SessionsQuestion } from '../../fleet/operations.ts'
import { version } from '../../cli/version.ts'
import { type FleetSnapshot, mergedSamples } from '../snapshot.ts'
import { type BackendView, backendsOf } from './backends.ts'
import { EventLog } from './event-log.ts'
import { numberOf, textOf, textOrNull } from './json.ts'
import { type LatencyView, latencyOf } from './latency.ts'
import {
  type CircuitsView,
  circuitsOf,
  type ColdStartsView,
  coldStartsOf,
  type EndpointView,
  endpointsOf,
} from './layers.ts'
import type { Look } from './look.ts'
import { CpuKeeper, type Overview, overviewOf } from './overview.ts'
import { type HistoryPoint, RateKeeper } from './rates.ts'
import { type TenantOrder, tenantsOf, type TenantsView } from './tenants.ts'
import { WakeLog } from './wake-log.ts'

/** What an operator works on: the processes of a gateway. */
export interface OperatorSource {
  snapshot(): Promise<FleetSnapshot>
  /** The answers of all workers that serve. */
  ask(topic: string, message: unknown): Promise<readonly unknown[]>
  /** Drains the whole gateway, and closes it. */
  drain(): Promise<void>
}

/** What /api/v1/events tells every second. */
export interface OperatorSnapshot {
  readonly at: number
  readonly overview: Overview
  readonly tenants: TenantsView
  readonly coldStarts: ColdStartsView
  readonly circuits: CircuitsView
  readonly endpoints: readonly EndpointView[]
  readonly backends: readonly BackendView[]
  readonly latency: LatencyView
}

// So many tabs and tools may ask at once, the workers are asked only once.
const freshMs = 500
const tenantsShown = 50

/** What an operator sees and does, over all workers. */
export class Operator {
  readonly events: EventLog = new EventLog()
  readonly #source: OperatorSource
  readonly #version = version()
  readonly #wakes = new WakeLog()
  readonly #rates: RateKeeper = new RateKeeper(Date.now())
  readonly #cpus = new CpuKeeper()
  #look: { readonly at: number; readonly promise: Promise<Look> } | undefined

  constructor(source: OperatorSource) {
    this.#source = source
  }

  async overview(): Promise<Overview> {
    return overviewOf(await this.#current(), this.#version, this.#rates, this.#cpus)
  }

  async tenants(order: TenantOrder, limit: number): Promise<TenantsView> {
    return tenantsOf(await this.#current(), this.#rates, order, limit)
  }

  async coldStarts(): Promise<ColdStartsView> {
    return coldStartsOf((await this.#current()).fleet, this.#wakes)
  }

  async circuits(): Promise<CircuitsView> {
    return circuitsOf((await this.#current()).fleet)
  }

  async endpoints(): Promise<{ readonly endpoints: readonly EndpointView[] }> {
    return endpointsOf((await this.#current()).fleet)
  }

  async backends(): Promise<{ readonly backends: readonly BackendView[] }> {
    return backendsOf((await this.#current()).fleet)
  }

  async latency(): Promise<LatencyView> {
    return latencyOf(mergedSamples((await this.#current()).fleet))
  }

  async snapshot(): Promise<OperatorSnapshot> {
    const look = await this.#current()
    const { at, fleet } = look
    return {
      at,
      overview: overviewOf(look, this.#version, this.#rates, this.#cpus),
      tenants: tenantsOf(look, this.#rates, 'connections', tenantsShown),
      coldStarts: coldStartsOf(fleet, this.#wakes),
      circuits: circuitsOf(fleet),
      ...endpointsOf(fleet),
      ...backendsOf(fleet),
      latency: latencyOf(mergedSamples(fleet)),
    }
  }

  history(): readonly HistoryPoint[] {
    return this.#rates.history
  }

  /** The oldest first. */
  async sessions(filter: SessionFilter, limit: number): Promise<readonly SessionStats[]> {
    const question: SessionsQuestion = { filter, limit }
    const answers = await this.#source.ask(operateTopics.sessions, question)
    return (answers as (readonly SessionStats[])[])
      .flat()
      .toSorted((a, b) => b.ageMs - a.ageMs)
      .slice(0, limit)
  }

  drain(): void {
    this.events.add('operator', { action: 'drain' })
    // How it ends is for the process to say: it ends with it.
    this.#source.drain().catch(() => undefined)
  }

  /** How many workers have forgotten the key. */
  async purge(key: string): Promise<number> {
    this.events.add('operator', { action: 'purge', key })
    return (await this.#source.ask(operateTopics.purge, key)).length
  }

  /** How many sessions were ended. */
  async kill(filter: SessionFilter): Promise<number> {
    const counts = await this.#source.ask(operateTopics.kill, filter)
    const killed = counts.reduce<number>((sum, count) => sum + numberOf(count), 0)
    this.events.add('operator', { action: 'kill', ...filter, killed })
    return killed
  }

  /** Takes what a worker announces. Of one wake in several workers the first beginning and the last end are told. */
  announced(worker: number, { kind, facts }: Announcement): void {
    if (this.#isNews(worker, kind, facts)) this.events.add(kind, { ...facts, worker })
  }

  /** A worker died or was started again. */
  workerChanged(worker: number, change: 'died' | 'started'): void {
    if (change === 'died') this.#wakes.forget(worker)
    this.events.add('worker', { worker, change })
  }

  #isNews(worker: number, kind: string, facts: Announcement['facts']): boolean {
    const backend = textOf(facts['backend'])
    if (kind === 'wake-start') return this.#wakes.start(worker, backend)
    if (kind !== 'wake-end') return true
    const error = textOrNull(facts['error'])
    const [key, durationMs] = [textOf(facts['key']), numberOf(facts['durationMs'])]
    return this.#wakes.end(worker, { backend, key, durationMs, error, endedAt: Date.now() })
  }

  #current(): Promise<Look> {
    const now = Date.now()
    if (this.#look === undefined || now - this.#look.at >= freshMs) this.#look = { at: now, promise: this.#take() }
    return this.#look.promise
  }

  async #take(): Promise<Look> {
    const [fleet, live] = await Promise.all([
      this.#source.snapshot(),
      this.#source.ask(operateTopics.tenants, undefined) as Promise<readonly LiveTenants[]>,
    ])
    const look = { at: Date.now(), fleet, live }
    this.#rates.add(look)
    this.#cpus.add(look)
    return look
  }
}
