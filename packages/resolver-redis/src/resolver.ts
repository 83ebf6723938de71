import {
  type Backend,
  backend,
  type Disposer,
  type Metadata,
  type Resolution,
  type ResolutionRecord,
  ResolveError,
  type Resolver,
  type RouteRequest,
} from '@proxy/kernel'
import { KnownRoutes } from './known-routes.ts'
import { RedisAwayError } from './link.ts'
import { type Lease, Lease as Lock } from './lock.ts'
import { ask } from './queue.ts'
import { longestKey, type StoredState } from './records.ts'
import { invalid } from './settings.ts'
import { type Origin, originOf, Shared, type WakeOptions } from './shared.ts'
import type { Changed } from './store.ts'

export interface RedisResolverOptions extends WakeOptions {
  /** Routes that are remembered for the time that Redis is away. Default 50,000. */
  readonly maxRoutes?: number | undefined
}

const retryAfterMs = 1_000
const sleepTimeoutMs = 120_000

/**
 * Routes that are kept in Redis, one hash for each key. While Redis is away or slow, the latest known routes are served. A backend
 * that is `asleep` is woken by a worker ({@link wakeWorker}), which one gateway among all machines asks. Throws `PROXY_CONFIG_INVALID`.
 */
export function redisResolver(options: RedisResolverOptions = {}): Resolver {
  return new RedisResolver(options)
}

class RedisResolver implements Resolver {
  readonly name = 'redis'
  // Two connections a machine, not two a process; and one knowledge of who is connected.
  readonly placement = 'primary'
  readonly #shared: Shared
  readonly #known: KnownRoutes
  readonly #watchers = new Set<(backendId: string) => void>()
  readonly #closing = new AbortController()
  #servedStale = 0
  #staleSince: number | undefined

  constructor(options: RedisResolverOptions) {
    const maxRoutes = options.maxRoutes ?? 50_000
    if (!(maxRoutes >= 1)) throw invalid('maxRoutes: not 1 or more')
    this.#known = new KnownRoutes(maxRoutes, (id) => this.#tell(id))
    const onState: WakeOptions['onState'] = (state, error) => {
      this.#staleSince = state === 'stale' ? performance.now() : undefined
      options.onState?.(state, error)
    }
    this.#shared = new Shared(
      { ...options, onState },
      { changed: (message) => this.#changed(message), gap: () => this.#gap() },
    )
  }

  async resolve({ key }: RouteRequest): Promise<Resolution> {
    if (key.length > longestKey) throw new ResolveError('NOT_FOUND')
    try {
      return this.#learn(key, await this.#read(key))
    } catch (error) {
      if (error instanceof RedisAwayError) return this.#remembered(key, error)
      throw error
    }
  }

  async wake(sleeping: Backend, signal: AbortSignal): Promise<Resolution> {
    const origin = originIn(sleeping)
    const subject = { lock: origin.lock, stateKey: this.#shared.store.routeKey(origin.key) }
    const ended = AbortSignal.any([signal, this.#closing.signal])
    const record = await this.#shared.lead.wake(
      {
        ...subject,
        ready: (state, since) => outcomeSince(state, since) ?? this.#readyRecord(state, sleeping),
        work: (lease, stop) => this.#askToWake(origin, lease, stop, sleeping),
      },
      ended,
    )
    return this.#learn(origin.key, { record, token: 0, done: 0, failed: 0 })
  }

  async sleep(idle: Backend): Promise<void> {
    const origin = originIn(idle)
    const { presence, bus, leaseMs } = this.#shared
    if (await presence.isBusy(origin.lock)) return
    const lease = await Lock.take(bus, origin.lock, leaseMs)
    if (!(lease instanceof Lock)) return
    try {
      await this.#putToSleep(origin, lease)
    } finally {
      await lease.release()
    }
  }

  watch(changed: (backendId: string) => void): Disposer {
    this.#watchers.add(changed)
    return () => void this.#watchers.delete(changed)
  }

  onConnect(_resourceId: string, metadata: Metadata): void {
    const origin = originOf(metadata)
    if (origin !== undefined) this.#shared.presence.enter(origin.lock)
  }

  onDisconnect(_resourceId: string, metadata: Metadata): void {
    const origin = originOf(metadata)
    if (origin !== undefined) this.#shared.presence.leave(origin.lock)
  }

  purge(key: string): void {
    const id = this.#known.idOf(key)
    if (this.#shared.bus.link.state === 'ready') this.#known.delete(key)
    if (id !== undefined) this.#tell(id)
  }

  stats(): Record<string, unknown> {
    const staleMs = this.#staleSince === undefined ? 0 : Math.round(performance.now() - this.#staleSince)
    return { ...this.#shared.stats(), staleMs, routes: this.#known.size, servedStale: this.#servedStale }
  }

  async close(): Promise<void> {
    this.#closing.abort(new ResolveError('UNAVAILABLE', { retryAfterMs }))
    await this.#shared.close()
  }

  async #read(key: string): Promise<StoredState | undefined> {
    const { store } = this.#shared
    try {
      return await store.read(store.routeKey(key))
    } catch (error) {
      // Somebody has put something else under this name.
      if (error instanceof Error && error.name === 'ReplyError') throw new ResolveError('INTERNAL', { cause: error })
      throw error
    }
  }

  #learn(key: string, state: StoredState | undefined): Backend {
    if (state?.record === undefined) {
      this.#known.delete(key)
      throw new ResolveError('NOT_FOUND')
    }
    const found = toBackend(key, state.record)
    this.#known.set(key, found)
    return found
  }

  #remembered(key: string, cause: RedisAwayError): Backend {
    const known = this.#known.get(key)
    if (known === undefined) throw new ResolveError('UNAVAILABLE', { cause, retryAfterMs })
    this.#servedStale++
    return known
  }

  /**
   * A backend that is woken though its record calls it ready did not answer there: then another record is an answer. One that
   * no worker ever started or stopped is not the workers' to start.
   */
  #readyRecord(state: StoredState | undefined, sleeping: Backend): ResolutionRecord | undefined {
    if (state?.record === undefined) throw new ResolveError('NOT_FOUND')
    if (state.record.state === 'asleep') return undefined
    if (sleeping.state === 'asleep') return state.record
    if (toBackend(originIn(sleeping).key, state.record).id !== sleeping.id) return state.record
    if (state.done === 0) throw new ResolveError('NOT_FOUND')
    return undefined
  }

  async #askToWake(
    { key, lock }: Origin,
    lease: Lease,
    signal: AbortSignal,
    sleeping: Backend,
  ): Promise<ResolutionRecord | undefined> {
    const { store, bus, lead } = this.#shared
    const stateKey = store.routeKey(key)
    if ((await store.claim(stateKey, lease.token)) === 'gone') throw new ResolveError('NOT_FOUND')
    // It may have been woken between the look at it and the lock.
    const ready = this.#readyRecord(await store.read(stateKey), sleeping)
    if (ready !== undefined) return ready
    this.#shared.wakes++
    await ask(bus, { op: 'wake', key, backend: lock, token: lease.token })
    return lead.outcome({ lock, stateKey }, lease, signal)
  }

  async #putToSleep(origin: Origin, lease: Lease): Promise<void> {
    const { store, presence, bus, lead } = this.#shared
    const { key, lock } = origin
    const stateKey = store.routeKey(key)
    if ((await store.claim(stateKey, lease.token)) !== 'ok') return
    const record = (await store.read(stateKey))?.record
    if (record === undefined || record.state === 'asleep') return
    const say = (state: 'ready' | 'asleep') =>
      store.report(stateKey, {
        token: lease.token,
        record: { ...record, state },
        changed: { key, id: record.id, lock: state === 'ready' ? lock : undefined },
      })
    // Said first, looked at again then: whoever connects from here on wakes it, and whoever did before is seen.
    await say('asleep')
    if (await presence.isBusy(lock)) return void (await say('ready'))
    await ask(bus, { op: 'sleep', key, backend: lock, token: lease.token })
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(sleepTimeoutMs)])
    await lead.outcome({ lock, stateKey }, lease, signal)
  }

  #changed({ key, id }: Changed): void {
    if (typeof id === 'string') this.#tell(id)
    if (typeof key !== 'string') return
    const known = this.#known.idOf(key)
    if (known !== undefined) this.#tell(known)
  }

  #gap(): void {
    for (const id of this.#known.ids()) this.#tell(id)
  }

  #tell(id: string): void {
    for (const changed of this.#watchers) changed(id)
  }
}

/** What came of the wake that was waited for. */
function outcomeSince(state: StoredState | undefined, since: number): ResolutionRecord | undefined {
  const ended = since > 0 && state !== undefined && state.done >= since
  return ended && state.record?.state !== 'asleep' ? state.record : undefined
}

/** Without an id, what sleeps is told apart by its key: its endpoint may be that of nothing yet. */
function toBackend(key: string, record: ResolutionRecord): Backend {
  const id = record.id ?? (record.state === 'asleep' ? `asleep ${key}` : undefined)
  const origin: Origin = { key, lock: record.id ?? key }
  return backend({ ...record, id, metadata: { ...record.metadata, redis: origin } })
}

function originIn({ metadata, id }: Backend): Origin {
  const origin = originOf(metadata)
  if (origin === undefined) throw new ResolveError('INTERNAL', { cause: new Error(`${id} is none of Redis' routes`) })
  return origin
}
