import type { V1EndpointSlice, V1Service } from '@kubernetes/client-node'
import {
  type Backend,
  type Disposer,
  type Metadata,
  type ResolutionRecord,
  ResolveError,
  type Resolver,
  type RouteRequest,
} from '@proxy/kernel'
import { type Api, connect } from './api.ts'
import { Catalog, keysOf, type Known } from './catalog.ts'
import { endpointsOf, isServed, placeholder } from './endpoints.ts'
import type { KubernetesResolverOptions } from './options.ts'
import type { Reflector } from './reflector.ts'
import { reflectors } from './sources.ts'
import { unlessAborted } from './unless-aborted.ts'
import { Usage } from './usage.ts'
import { scaleDown, scaleUp, type Workload, workloadOf } from './workload.ts'

const ID = 'kubernetes/'
const SHOWN = 200

/**
 * Services of Kubernetes as backends: their ready pods are the endpoints, known by watching EndpointSlices. A Service without one
 * whose Deployment or StatefulSet is known is asleep: `wake` scales that from 0 to 1, `sleep` to 0 unless another gateway uses it.
 * When the API server is away the last known routes are served, and `stats` says so.
 *
 * Throws `PROXY_CONFIG_INVALID`. Rejects with NOT_FOUND for keys without a Service, UNAVAILABLE when nothing is known yet or the
 * Service has no ready pod and no workload, INTERNAL when its port cannot be told.
 */
export function kubernetesResolver(options: KubernetesResolverOptions = {}): Resolver {
  return new KubernetesResolver(options)
}

class KubernetesResolver implements Resolver {
  readonly name = 'kubernetes'
  readonly placement = 'primary'
  readonly #api: Api
  readonly #catalog = new Catalog()
  readonly #services: Reflector<V1Service>
  readonly #slices: Reflector<V1EndpointSlice>
  readonly #usage: Usage | undefined
  readonly #kind: Workload['kind'] | undefined
  readonly #nameOf: ((key: string) => string | undefined) | undefined
  readonly #closing = new AbortController()
  #ready = false

  constructor(options: KubernetesResolverOptions) {
    this.#api = connect(options)
    this.#kind = options.workload
    this.#nameOf = namesOf(options.services, this.#api.namespace)
    this.#usage = options.scaleToZero === false ? undefined : new Usage(this.#api)
    const { services, slices } = reflectors(this.#api, this.#catalog, options.labelSelector)
    this.#services = services
    this.#slices = slices
  }

  resolve({ key }: RouteRequest, signal: AbortSignal): ResolutionRecord | Promise<ResolutionRecord> {
    if (this.#ready) return this.#answer(key)
    return unlessAborted(this.#start(), signal).then(() => this.#answer(key))
  }

  async wake(backend: Backend, signal: AbortSignal): Promise<ResolutionRecord> {
    const limited = AbortSignal.any([signal, this.#closing.signal])
    await unlessAborted(this.#start(), limited)
    const workload = workloadOf(this.#find(backend), this.#kind)
    if (workload !== undefined) await unlessAborted(this.#scaled(scaleUp(this.#api, workload)), limited)
    return this.#served(backend, limited)
  }

  async sleep(backend: Backend): Promise<void> {
    const usage = this.#usage
    const known = this.#catalog.named(backend.id.slice(ID.length))
    const workload = known === undefined ? undefined : workloadOf(known, this.#kind)
    if (usage === undefined || known === undefined || workload === undefined) return
    await this.#scaled(scaleDown(this.#api, workload, async () => !(await usage.inUse(known.id))))
    // Somebody may have come between the question and the change.
    if (await usage.inUse(known.id)) await this.#scaled(scaleUp(this.#api, workload))
  }

  watch(changed: (backendId: string) => void): Disposer {
    return this.#catalog.onChange((id) => changed(ID + id))
  }

  onConnect(_key: string, metadata: Metadata): void {
    if (typeof metadata['workload'] === 'string') this.#usage?.begin(String(metadata['service']))
  }

  onDisconnect(_key: string, metadata: Metadata): void {
    if (typeof metadata['workload'] === 'string') this.#usage?.end(String(metadata['service']))
  }

  stats(): Record<string, unknown> {
    const error = this.#services.error ?? this.#slices.error ?? this.#usage?.error
    return {
      api: this.#services.live && this.#slices.live ? 'connected' : 'away',
      services: this.#catalog.size,
      lists: this.#services.lists + this.#slices.lists,
      busy: this.#usage?.busy ?? 0,
      error: error?.message ?? null,
      backends: this.#catalog.first(SHOWN).map((known) => this.#stateOf(known)),
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new ResolveError('UNAVAILABLE'))
    await Promise.all([this.#services.close(), this.#slices.close(), this.#usage?.close()])
  }

  /** Settles when everything was listed once. */
  async #start(): Promise<void> {
    if (this.#ready) return
    try {
      await Promise.all([this.#services.started(), this.#slices.started()])
      this.#ready = true
    } catch (cause) {
      throw new ResolveError('UNAVAILABLE', { cause, retryAfterMs: 1_000 })
    }
  }

  #answer(key: string): ResolutionRecord {
    const known = this.#lookUp(key)
    if (known !== undefined) return this.#resolution(known)
    // Who is away cannot say that there is no such Service.
    if (this.#services.live) throw new ResolveError('NOT_FOUND')
    throw new ResolveError('UNAVAILABLE', { cause: this.#services.error })
  }

  #lookUp(key: string): Known | undefined {
    if (this.#nameOf === undefined) return this.#catalog.keyed(key)
    const id = this.#nameOf(key)
    return id === undefined ? undefined : this.#catalog.named(id)
  }

  #find({ id }: Backend): Known {
    const known = id.startsWith(ID) ? this.#catalog.named(id.slice(ID.length)) : undefined
    if (known === undefined) throw new ResolveError('NOT_FOUND')
    return known
  }

  #resolution(known: Known): ResolutionRecord {
    const endpoints = endpointsOf(known)
    const workload = workloadOf(known, this.#kind)
    const id = ID + known.id
    const metadata = {
      service: known.id,
      workload: workload === undefined ? null : `${workload.kind}/${workload.name}`,
    }
    if (isServed(endpoints)) return { id, endpoint: endpoints, metadata }
    if (workload !== undefined) return { id, endpoint: placeholder(known), state: 'asleep', metadata }
    // Better a pod that ends than none.
    if (endpoints.length > 0) return { id, endpoint: endpoints, metadata }
    throw new ResolveError('UNAVAILABLE', { cause: new Error(`${known.id} has no ready pod`), retryAfterMs: 1_000 })
  }

  async #served(backend: Backend, signal: AbortSignal): Promise<ResolutionRecord> {
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const dispose = this.#catalog.onChange(() => resolve())
      try {
        const resolution = this.#resolution(this.#find(backend))
        if (resolution.state !== 'asleep') return resolution
        await unlessAborted(promise, signal)
      } finally {
        dispose()
      }
    }
  }

  async #scaled(scaling: Promise<void>): Promise<void> {
    try {
      await scaling
    } catch (cause) {
      throw new ResolveError('UNAVAILABLE', { cause, retryAfterMs: 1_000 })
    }
  }

  #stateOf(known: Known): Record<string, unknown> {
    return { backend: ID + known.id, key: keysOf(known.service)[0] ?? null, state: servedState(known) }
  }
}

function servedState(known: Known): string {
  try {
    return isServed(endpointsOf(known)) ? 'awake' : 'asleep'
  } catch {
    return 'misconfigured'
  }
}

function namesOf(
  services: KubernetesResolverOptions['services'],
  namespace: string,
): ((key: string) => string | undefined) | undefined {
  if (services === undefined) return undefined
  const table = typeof services === 'function' ? undefined : new Map(Object.entries(services))
  const nameOf = typeof services === 'function' ? services : (key: string) => table?.get(key)
  return (key) => {
    const name = nameOf(key)
    return name === undefined || name.includes('/') ? name : `${namespace}/${name}`
  }
}
