import { invalid } from '../address.ts'
import type { Backend, Disposer, Layer, LayerContext, Resolve, RouteRequest } from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import { isPromise } from '../promise.ts'
import { Flight } from './flight.ts'
import { RouteStore } from './route-store.ts'

export interface CacheOptions {
  /** How long an answer is reused. Default 60,000 ms; 0 = never. */
  readonly ttlMs?: number | undefined
  /** The same for NOT_FOUND and FORBIDDEN; other errors are not remembered. Default 1,000 ms; 0 = never. */
  readonly negativeTtlMs?: number | undefined
  /** Answers that are kept. Default 50,000. */
  readonly maxEntries?: number | undefined
  /**
   * Names what the resolver's answer depends on; requests with the same name share an answer. Default: everything but the
   * session and the client's address. Give one when the resolver looks at that address, or at less than the default.
   */
  readonly slot?: ((request: RouteRequest) => string) | undefined
}

/**
 * Reuses the resolver's answers. Forgotten by `resolver.watch`, by a purge of the key and by waking; a backend that is
 * asleep is not remembered at all. Requests that wait for the same answer ask once; one that leaves does not cancel it
 * for the others. Throws `PROXY_CONFIG_INVALID`.
 */
export function cache(options: CacheOptions = {}): Layer {
  const settings: Settings = {
    ttlMs: checked('ttlMs', options.ttlMs ?? 60_000, 0),
    negativeTtlMs: checked('negativeTtlMs', options.negativeTtlMs ?? 1_000, 0),
    maxEntries: checked('maxEntries', options.maxEntries ?? 50_000, 1),
    slot: options.slot ?? slotOf,
  }
  let latest: RouteCache | undefined
  return {
    name: 'cache',
    setup(context) {
      latest = new RouteCache(settings, context)
      return latest.watch(context)
    },
    resolve(next) {
      const routes = latest
      if (routes === undefined) throw new GatewayError('PROXY_INTERNAL')
      return (request, signal) => routes.resolve(next, request, signal)
    },
    stats: () => latest?.stats ?? {},
  }
}

type Settings = { readonly [Name in keyof CacheOptions]-?: NonNullable<CacheOptions[Name]> }

interface Lookup {
  readonly key: string
  readonly flight: Flight<Backend>
}

class RouteCache {
  readonly #settings: Settings
  readonly #context: LayerContext
  readonly #store: RouteStore
  /** A lookup that is no longer listed here was invalidated on its way: its answer is not stored. */
  readonly #lookups = new Map<string, Lookup>()
  #hits = 0
  #misses = 0
  #negativeHits = 0

  constructor(settings: Settings, context: LayerContext) {
    this.#settings = settings
    this.#context = context
    this.#store = new RouteStore(settings.maxEntries)
  }

  watch({ hooks, resolver }: LayerContext): Disposer {
    const disposers = [
      hooks.on('route:purge', ({ key }) => this.#forgetKey(key)),
      hooks.on('wake:end', ({ backend }) => this.#forgetBackend(backend.id)),
      hooks.on('tenant:idle', ({ backend }) => this.#forgetBackend(backend.id)),
      resolver.watch?.((id) => this.#forgetBackend(id)),
    ]
    return () => {
      for (const dispose of disposers) dispose?.()
    }
  }

  resolve(next: Resolve, request: RouteRequest, signal: AbortSignal): Backend | Promise<Backend> {
    const slot = this.#settings.slot(request)
    const stored = this.#store.get(slot, this.#context.clock.now())
    if (stored === undefined) return this.#miss(next, request, slot, signal)
    if (stored.backend === undefined) {
      this.#negativeHits++
      throw stored.error
    }
    this.#hits++
    return stored.backend
  }

  get stats(): Record<string, unknown> {
    return { size: this.#store.size, hits: this.#hits, misses: this.#misses, negativeHits: this.#negativeHits }
  }

  #miss(next: Resolve, request: RouteRequest, slot: string, signal: AbortSignal): Backend | Promise<Backend> {
    this.#misses++
    return this.#lookups.get(slot)?.flight.join(signal) ?? this.#ask(next, request, slot, signal)
  }

  #ask(next: Resolve, request: RouteRequest, slot: string, signal: AbortSignal): Backend | Promise<Backend> {
    const shared = new AbortController()
    try {
      const answer = next(request, shared.signal)
      if (isPromise(answer)) return this.#share(answer, request.key, slot, shared, signal)
      this.#keep(slot, request.key, answer)
      return answer
    } catch (error) {
      this.#keepError(slot, request.key, error)
      throw error
    }
  }

  #share(
    answer: Promise<Backend>,
    key: string,
    slot: string,
    shared: AbortController,
    signal: AbortSignal,
  ): Promise<Backend> {
    const flight = new Flight<Backend>(() => {
      this.#land(slot, lookup)
      shared.abort(new GatewayError('PROXY_CLIENT_GONE'))
    })
    const lookup: Lookup = { key, flight }
    this.#lookups.set(slot, lookup)
    void this.#follow(answer, slot, lookup)
    return flight.join(signal)
  }

  async #follow(answer: Promise<Backend>, slot: string, lookup: Lookup): Promise<void> {
    try {
      const made = await answer
      if (this.#land(slot, lookup)) this.#keep(slot, lookup.key, made)
      lookup.flight.resolve(made)
    } catch (error) {
      if (this.#land(slot, lookup)) this.#keepError(slot, lookup.key, error)
      lookup.flight.reject(error)
    }
  }

  /** False when something has invalidated the lookup, or nobody waits for it any more. */
  #land(slot: string, lookup: Lookup): boolean {
    return this.#lookups.get(slot) === lookup && this.#lookups.delete(slot)
  }

  #keep(slot: string, key: string, backend: Backend): void {
    const { ttlMs } = this.#settings
    if (ttlMs === 0 || backend.state === 'asleep') return
    const expiresAt = this.#context.clock.now() + ttlMs
    this.#store.set({ slot, key, backend, error: undefined, expiresAt, used: false })
  }

  #keepError(slot: string, key: string, error: unknown): void {
    const { negativeTtlMs } = this.#settings
    if (negativeTtlMs === 0 || !isLasting(error)) return
    const expiresAt = this.#context.clock.now() + negativeTtlMs
    this.#store.set({ slot, key, backend: undefined, error, expiresAt, used: false })
  }

  #forgetKey(key: string): void {
    this.#store.forgetKey(key)
    for (const [slot, lookup] of this.#lookups) if (lookup.key === key) this.#lookups.delete(slot)
  }

  /** Any answer under way may be of that backend, and from before the change. */
  #forgetBackend(id: string): void {
    this.#store.forgetBackend(id)
    this.#lookups.clear()
  }
}

function isLasting(error: unknown): boolean {
  if (!GatewayError.is(error)) return false
  return error.code === 'PROXY_RESOLVE_NOT_FOUND' || error.code === 'PROXY_RESOLVE_FORBIDDEN'
}

/** Lengths stand before what clients may choose, so that no choice of theirs looks like another request. */
function slotOf({ listener, protocol, key, tls, attributes }: RouteRequest): string {
  let slot = `${listener}\0${protocol}\0${field(key)}`
  if (tls !== undefined) slot += `\0${field(tls.serverName)}${field(tls.certificate?.fingerprint256)}`
  for (const name in attributes) slot += field(name) + field(attributes[name])
  return slot
}

function field(text: string | undefined): string {
  return text === undefined ? '-' : `${text.length}:${text}`
}

function checked(name: string, value: number, least: number): number {
  if (value >= least) return value
  throw invalid(`${name}: ${value}`, `is not ${least} or more`)
}
