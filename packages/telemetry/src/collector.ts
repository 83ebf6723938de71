import type { Disposer, HookMap, Hooks, Layer, LayerContext, RequestEndEvent } from '@proxy/kernel'
import { FrequentTable } from './frequent-series.ts'
import type { MetricKey } from './metrics.ts'
import { RequestSeries, type RequestSample } from './request-series.ts'
import { observeInto, SampleStore, type Samples } from './samples.ts'
import { SharedSetup } from './shared-setup.ts'
import { type TenantStats, TenantTable } from './tenant-table.ts'

export interface CollectedStats {
  readonly samples: Samples
  readonly tenants: Record<string, TenantStats>
}

const none: readonly string[] = []

/** Counts what the hooks say: a layer that only observes. It outlives reloads, so its counters never go back. */
export class Collector implements Layer {
  readonly name = 'stats'
  readonly #store = new SampleStore()
  readonly #requests = new RequestSeries()
  readonly #frequent = new FrequentTable(this.#store)
  readonly #tenants: TenantTable
  readonly #shared = new SharedSetup()

  constructor(maxTenants: number) {
    this.#tenants = new TenantTable(maxTenants)
  }

  setup({ hooks }: Pick<LayerContext, 'hooks'>): Disposer {
    return this.#shared.use(() => this.#observe(hooks))
  }

  /** Counts what no hook tells. */
  add(metric: MetricKey, labels: readonly string[], value?: number): void {
    this.#store.add(metric, labels, value)
  }

  snapshot(): CollectedStats {
    const samples = new SampleStore()
    samples.merge(this.#store.snapshot())
    this.#requests.addTo(samples)
    return { samples: samples.snapshot(), tenants: this.#tenants.snapshot() }
  }

  /** HTTP requests by method, status and version: more series than /metrics shows. */
  requests(): readonly RequestSample[] {
    return this.#requests.list()
  }

  #observe(hooks: Hooks): Disposer[] {
    return [
      hooks.on('session:end', (event) => this.#sessionEnd(event)),
      hooks.on('relay:start', (event) => this.#relayStart(event)),
      hooks.on('route:end', (event) => this.#routeEnd(event)),
      hooks.on('request:end', (event) => this.#requestEnd(event)),
      hooks.on('wake:start', () => this.#store.add('wakesInFlight', none)),
      hooks.on('wake:end', (event) => this.#wakeEnd(event)),
      hooks.on('dial:end', (event) => this.#dialEnd(event)),
      hooks.on('upstream:fault', ({ listener, error }) => this.#store.add('upstreamFaults', [listener, error.code])),
      hooks.on('circuit:change', (event) => this.#store.add('circuitChanges', [event.state.replace('-', '_')])),
      hooks.on('endpoint:health', (event) => this.#endpointHealth(event)),
      hooks.on('tenant:busy', () => this.#store.add('tenantChanges', ['busy'])),
      hooks.on('tenant:idle', () => this.#store.add('tenantChanges', ['idle'])),
      hooks.on('gateway:error', (event) => this.#store.add('errors', [event.source])),
    ]
  }

  #relayStart({ listener, protocol, setupMs }: HookMap['relay:start']): void {
    observeInto(this.#frequent.of(listener, protocol).setupSeconds, setupMs)
  }

  #sessionEnd(event: HookMap['session:end']): void {
    const { listener, key, bytesFromClient, bytesToClient, error, timing } = event
    const series = this.#frequent.of(listener, event.protocol)
    series.sessions(event.outcome, event.reason).value++
    series.fromClient.value += bytesFromClient
    series.toClient.value += bytesToClient
    observeInto(series.sessionSeconds, event.durationMs)
    if (timing.firstByteMs !== undefined) observeInto(series.firstByte, timing.firstByteMs)
    if (error !== undefined) this.#store.add('sessionErrors', [listener, error.code, error.origin])
    if (key === undefined) return
    observeInto(series.client, timing.clientMs)
    this.#tenants.session(key, bytesFromClient, bytesToClient)
  }

  #routeEnd(event: HookMap['route:end']): void {
    const { listener, protocol, durationMs, wakeMs } = event
    if (event.error === undefined && wakeMs === 0) return this.#routedUnwoken(event)
    this.#store.add('routes', [listener, event.error?.code ?? 'ok'])
    this.#store.observe('routeSeconds', [listener], durationMs)
    this.#part(listener, protocol, 'resolve', Math.max(0, durationMs - wakeMs))
    if (wakeMs > 0) this.#part(listener, protocol, 'wake', wakeMs)
    if (event.error === undefined) this.#tenants.route(event.key)
  }

  #routedUnwoken({ listener, protocol, durationMs, key }: HookMap['route:end']): void {
    const series = this.#frequent.of(listener, protocol)
    series.routes.value++
    observeInto(series.routeSeconds, durationMs)
    observeInto(series.resolve, durationMs)
    this.#tenants.route(key)
  }

  #requestEnd(event: RequestEndEvent): void {
    const { firstByteMs, upstreamMs } = event.timing
    this.#requests.observe(event)
    if (firstByteMs === undefined || upstreamMs === undefined) return
    observeInto(this.#frequent.of(event.listener, event.protocol).firstByte, Math.max(0, firstByteMs - upstreamMs))
  }

  #wakeEnd(event: HookMap['wake:end']): void {
    this.#store.add('wakesInFlight', none, -1)
    this.#store.add('wakes', [event.error?.code ?? 'ok'])
    this.#store.observe('wakeSeconds', none, event.durationMs)
  }

  #dialEnd({ session, listener, protocol, durationMs, error }: HookMap['dial:end']): void {
    const series = this.#frequent.of(listener, protocol)
    if (error === undefined) series.dials.value++
    else this.#store.add('dials', [listener, error.code])
    observeInto(series.dialSeconds, durationMs)
    // Without a session it is a probe or a cancel: no client has waited for it.
    if (session !== undefined) observeInto(series.dial, durationMs)
  }

  #endpointHealth({ healthy, by }: HookMap['endpoint:health']): void {
    this.#store.add('endpointChanges', [healthy ? 'healthy' : 'unhealthy', by])
  }

  #part(listener: string, protocol: string, part: string, durationMs: number): void {
    this.#store.observe('sessionPartSeconds', [listener, protocol, part], durationMs)
  }
}
