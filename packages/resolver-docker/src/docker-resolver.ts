import {
  type Backend,
  type Disposer,
  GatewayError,
  type ResolutionRecord,
  ResolveError,
  type Resolver,
  type RouteRequest,
} from '@proxy/kernel'
import { conditionOf } from './container-state.ts'
import { endpointOf, type EndpointRules } from './container-endpoint.ts'
import { Engine } from './engine.ts'
import { engineAddress } from './engine-address.ts'
import { Feed } from './feed.ts'
import { Inspector } from './inspector.ts'
import type { DockerResolverOptions } from './options.ts'
import { type Entry, Roster } from './roster.ts'
import { unlessAborted } from './unless-aborted.ts'
import { WakeUp } from './wake-up.ts'
import type { ContainerDetails } from './wire.ts'

const ID = 'docker/'
const SHOWN = 200

/**
 * Containers as backends, through the Docker Engine API: which one a key leads to is said by its labels or by a table; one that
 * does not run is asleep, `wake` starts and `sleep` stops it. Known from the engine's events, so a resolution asks nothing of the
 * engine as long as nothing has changed. When the engine is away the last known routes are served, and `stats` says so.
 *
 * Throws `PROXY_CONFIG_INVALID`. Rejects with NOT_FOUND for keys without a container, UNAVAILABLE when the engine is away or the
 * container says that it is unhealthy, INTERNAL when no port or address can be told.
 */
export function dockerResolver(options: DockerResolverOptions = {}): Resolver {
  return new DockerResolver(options)
}

class DockerResolver implements Resolver {
  readonly name = 'docker'
  readonly placement = 'primary'
  readonly #engine: Engine
  readonly #roster: Roster
  readonly #feed: Feed
  readonly #inspector: Inspector
  readonly #rules: EndpointRules
  readonly #nameOf: ((key: string) => string | undefined) | undefined
  readonly #stop: string
  readonly #closing = new AbortController()

  constructor(options: DockerResolverOptions) {
    const address = engineAddress(options, process.env)
    const prefix = options.labelPrefix ?? 'proxy'
    const label = `${prefix}.key`
    this.#nameOf = tableOf(options.containers)
    this.#stop = sleepAction(options)
    this.#rules = { network: options.network, publishedHost: address.publishedHost, portLabel: `${prefix}.port` }
    this.#engine = new Engine(address)
    this.#roster = new Roster(label)
    this.#feed = new Feed(this.#engine, this.#roster, this.#nameOf === undefined ? label : undefined)
    this.#inspector = new Inspector(this.#engine)
  }

  resolve(request: RouteRequest, signal: AbortSignal): ResolutionRecord | Promise<ResolutionRecord> {
    if (!this.#feed.live && this.#feed.reconnects === 0) return this.#resolveFirst(request.key, signal)
    const entry = this.#find(request.key)
    const details = this.#inspector.details(entry)
    if (!(details instanceof Promise)) return this.#resolution(entry, details)
    return unlessAborted(details, signal).then((details) => this.#resolution(entry, details))
  }

  async wake(backend: Backend, signal: AbortSignal): Promise<ResolutionRecord> {
    const name = nameIn(backend)
    const limited = AbortSignal.any([signal, this.#closing.signal])
    await unlessAborted(this.#feed.started(), limited)
    const wakeUp = new WakeUp(this.#engine, this.#roster, this.#inspector, name, limited)
    const { entry, details } = await wakeUp.done()
    return this.#resolution(entry, details)
  }

  async sleep(backend: Backend): Promise<void> {
    const entry = this.#roster.named(nameIn(backend))
    if (entry === undefined) return
    try {
      await this.#engine.act(entry.id, this.#stop, this.#closing.signal)
    } catch (error) {
      if (!GatewayError.is(error) || error.code !== 'PROXY_RESOLVE_NOT_FOUND') throw error
    }
  }

  watch(changed: (backendId: string) => void): Disposer {
    return this.#roster.onChange((name) => changed(ID + name))
  }

  purge(key: string): void {
    const entry = this.#lookUp(key)
    if (entry !== undefined) this.#roster.stale(entry)
  }

  stats(): Record<string, unknown> {
    const { live, error, reconnects } = this.#feed
    return {
      engine: live ? 'connected' : 'away',
      api: this.#engine.version ?? null,
      containers: this.#roster.size,
      reconnects: Math.max(0, reconnects - 1),
      servedStale: this.#inspector.servedStale,
      error: live || error === undefined ? null : reasonOf(error),
      backends: this.#roster.first(SHOWN).map(stateOf),
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new ResolveError('UNAVAILABLE'))
    this.#inspector.close()
    await this.#feed.close()
    await this.#engine.close()
  }

  async #resolveFirst(key: string, signal: AbortSignal): Promise<ResolutionRecord> {
    await unlessAborted(this.#feed.started(), signal)
    const entry = this.#find(key)
    return this.#resolution(entry, await unlessAborted(Promise.resolve(this.#inspector.details(entry)), signal))
  }

  #lookUp(key: string): Entry | undefined {
    if (this.#nameOf === undefined) return this.#roster.keyed(key)
    const name = this.#nameOf(key)
    return name === undefined ? undefined : this.#roster.named(name)
  }

  #find(key: string): Entry {
    const entry = this.#lookUp(key)
    if (entry !== undefined) return entry
    // Who is away cannot say that there is no such container.
    throw this.#feed.live ? new ResolveError('NOT_FOUND') : new ResolveError('UNAVAILABLE', { cause: this.#feed.error })
  }

  #resolution({ name }: Entry, details: ContainerDetails): ResolutionRecord {
    const condition = conditionOf(details.State)
    if (condition === 'gone') throw new ResolveError('NOT_FOUND', { cause: new Error(`${name} is being removed`) })
    if (condition === 'failing') {
      throw new ResolveError('UNAVAILABLE', { cause: new Error(`${name} is unhealthy`), retryAfterMs: 1_000 })
    }
    const endpoint = endpointOf(details, this.#rules)
    return { id: ID + name, endpoint, state: condition === 'ready' ? 'ready' : 'asleep', metadata: { container: name } }
  }
}

function tableOf(containers: DockerResolverOptions['containers']): ((key: string) => string | undefined) | undefined {
  if (containers === undefined || typeof containers === 'function') return containers
  const table = new Map(Object.entries(containers))
  return (key) => table.get(key)
}

function sleepAction({ sleep = 'stop', stopTimeoutMs }: DockerResolverOptions): string {
  if (sleep === 'pause') return 'pause'
  return stopTimeoutMs === undefined ? 'stop' : `stop?t=${Math.ceil(stopTimeoutMs / 1_000)}`
}

const states = {
  ready: 'awake',
  starting: 'waking',
  paused: 'asleep',
  stopped: 'asleep',
  failing: 'unhealthy',
  gone: 'gone',
} as const

function stateOf({ name, keys, details }: Entry): Record<string, unknown> {
  const state = details === undefined ? 'unknown' : states[conditionOf(details.State)]
  return { backend: ID + name, key: keys[0] ?? null, state }
}

function nameIn(backend: Backend): string {
  if (backend.id.startsWith(ID)) return backend.id.slice(ID.length)
  throw new ResolveError('NOT_FOUND', { cause: new Error(`${backend.id} is no container of this resolver`) })
}

function reasonOf(error: unknown): string {
  const { message, cause } = error instanceof Error ? error : new Error(String(error))
  return GatewayError.is(error) && cause instanceof Error ? cause.message : message
}
