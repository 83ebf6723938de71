import type { Disposer, HookMap, Hooks, Layer, LayerContext, RequestEndEvent } from '@proxy/kernel'
import { SampleStore, type Samples } from './samples.ts'
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
  readonly #tenants: TenantTable
  #users = 0
  #disposers: Disposer[] = []

  constructor(maxTenants: number) {
    this.#tenants = new TenantTable(maxTenants)
  }

  setup({ hooks }: Pick<LayerContext, 'hooks'>): Disposer {
    // While a reload replaces the layers, the new ones may be there before the old ones go: nothing is counted twice.
    if (this.#users++ === 0) this.#disposers = this.#observe(hooks)
    let used = true
    return () => {
      if (used && --this.#users === 0) for (const dispose of this.#disposers) dispose()
      used = false
    }
  }

  snapshot(): CollectedStats {
    return { samples: this.#store.snapshot(), tenants: this.#tenants.snapshot() }
  }

  #observe(hooks: Hooks): Disposer[] {
    return [
      hooks.on('session:end', (event) => this.#sessionEnd(event)),
      hooks.on('relay:start', (event) => this.#store.observe('setupSeconds', [event.listener], event.setupMs)),
      hooks.on('route:end', (event) => this.#routeEnd(event)),
      hooks.on('request:end', (event) => this.#requestEnd(event)),
      hooks.on('wake:start', () => this.#store.add('wakesInFlight', none)),
      hooks.on('wake:end', (event) => this.#wakeEnd(event)),
      hooks.on('dial:end', (event) => this.#dialEnd(event)),
      hooks.on('gateway:error', (event) => this.#store.add('errors', [event.source])),
    ]
  }

  #sessionEnd(event: HookMap['session:end']): void {
    const { listener, error } = event
    this.#store.add('sessions', [listener, event.protocol, event.outcome, event.reason])
    this.#store.add('sessionBytes', [listener, 'from_client'], event.bytesFromClient)
    this.#store.add('sessionBytes', [listener, 'to_client'], event.bytesToClient)
    this.#store.observe('sessionSeconds', [listener], event.durationMs)
    if (error !== undefined) this.#store.add('sessionErrors', [listener, error.code, error.origin])
    if (event.key !== undefined) this.#tenants.session(event.key, event.bytesFromClient, event.bytesToClient)
  }

  #routeEnd(event: HookMap['route:end']): void {
    this.#store.add('routes', [event.listener, event.error?.code ?? 'ok'])
    this.#store.observe('routeSeconds', [event.listener], event.durationMs)
    if (event.error === undefined) this.#tenants.route(event.key)
  }

  #requestEnd({ listener, version, status, durationMs }: RequestEndEvent): void {
    this.#store.add('requests', [listener, version, String(status)])
    this.#store.observe('requestSeconds', [listener], durationMs)
  }

  #wakeEnd(event: HookMap['wake:end']): void {
    this.#store.add('wakesInFlight', none, -1)
    this.#store.add('wakes', [event.error?.code ?? 'ok'])
    this.#store.observe('wakeSeconds', none, event.durationMs)
  }

  #dialEnd(event: HookMap['dial:end']): void {
    this.#store.add('dials', [event.listener, event.error?.code ?? 'ok'])
    this.#store.observe('dialSeconds', [event.listener], event.durationMs)
  }
}
