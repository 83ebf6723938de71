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
import { RedisAwayError } from './link.ts'
import { Lease } from './lock.ts'
import { type Origin, originOf, Shared, type WakeOptions } from './shared.ts'

// How long an outcome answers for those who learned before it that the backend is asleep.
const outcomeMs = 2_000
const claimMs = 600_000
// A start takes longer than that, and to start twice is worse than to wait.
const patienceMs = 3_000

/**
 * Another resolver, whose wakes and sleeps happen once among all machines: one gateway at a time calls its `wake`, the others
 * get what came of it. While Redis is away (for more than three seconds) it is called as if there were one machine. Throws `PROXY_CONFIG_INVALID`.
 */
export function redisLocked(inner: Resolver, options: WakeOptions = {}): Resolver {
  if (inner.wake === undefined) return inner
  return new LockedResolver(inner, options)
}

class LockedResolver implements Resolver {
  readonly name: string
  readonly placement = 'primary'
  readonly #inner: Resolver
  readonly #shared: Shared
  readonly #watchers = new Set<(backendId: string) => void>()
  readonly #closing = new AbortController()

  constructor(inner: Resolver, options: WakeOptions) {
    this.name = inner.name
    this.#inner = inner
    const changed = ({ id }: { readonly id?: string | undefined }): void => {
      if (typeof id === 'string') for (const watcher of this.#watchers) watcher(id)
    }
    this.#shared = new Shared(options, { changed, gap: () => undefined })
  }

  resolve(request: RouteRequest, signal: AbortSignal): Resolution | Promise<Resolution> {
    const answer = this.#inner.resolve(request, signal)
    return answer instanceof Promise ? answer.then((made) => marked(made, request.key)) : marked(answer, request.key)
  }

  async wake(sleeping: Backend, signal: AbortSignal): Promise<Resolution> {
    const ended = AbortSignal.any([signal, this.#closing.signal])
    const { bus, lead, store } = this.#shared
    const key = originOf(sleeping.metadata)?.key ?? sleeping.id
    if (!(await bus.link.isThere(patienceMs))) return this.#wakeAlone(sleeping, ended)
    const record = await lead.wake(
      {
        lock: sleeping.id,
        stateKey: store.outcomeKey(sleeping.id),
        ready: (state) =>
          state !== undefined && state.done > 0 && state.done === state.token ? state.record : undefined,
        work: (lease, stop) => this.#wakeLocked(sleeping, lease, stop),
      },
      ended,
    )
    return marked(record, key)
  }

  async sleep(idle: Backend): Promise<void> {
    const { bus, presence, leaseMs, store } = this.#shared
    if (this.#inner.sleep === undefined || (await presence.isBusy(idle.id))) return
    const lease = await Lease.take(bus, idle.id, leaseMs)
    if (!(lease instanceof Lease)) return
    try {
      // Takes the outcome of the latest wake back.
      await store.claim(store.outcomeKey(idle.id), lease.token, claimMs)
      if (!(await presence.isBusy(idle.id))) await this.#inner.sleep(idle)
    } finally {
      await lease.release()
    }
  }

  watch(changed: (backendId: string) => void): Disposer {
    this.#watchers.add(changed)
    const unwatch = this.#inner.watch?.(changed)
    return () => {
      this.#watchers.delete(changed)
      unwatch?.()
    }
  }

  track(resourceId: string, metadata: Metadata): void {
    this.#inner.track?.(resourceId, metadata)
  }

  onConnect(resourceId: string, metadata: Metadata): void {
    const origin = originOf(metadata)
    if (origin !== undefined) this.#shared.presence.enter(origin.lock)
    this.#inner.onConnect?.(resourceId, metadata)
  }

  onDisconnect(resourceId: string, metadata: Metadata): void {
    const origin = originOf(metadata)
    if (origin !== undefined) this.#shared.presence.leave(origin.lock)
    this.#inner.onDisconnect?.(resourceId, metadata)
  }

  async purge(resourceId: string): Promise<void> {
    await this.#inner.purge?.(resourceId)
  }

  stats(): Record<string, unknown> {
    return { ...this.#inner.stats?.(), redis: this.#shared.stats() }
  }

  async close(): Promise<void> {
    this.#closing.abort(new ResolveError('UNAVAILABLE', { retryAfterMs: 1_000 }))
    await this.#shared.close()
    await this.#inner.close?.()
  }

  async #wakeAlone(sleeping: Backend, signal: AbortSignal): Promise<Resolution> {
    this.#shared.wakes++
    return (await this.#inner.wake?.(sleeping, signal)) ?? sleeping
  }

  async #wakeLocked(sleeping: Backend, lease: Lease, signal: AbortSignal): Promise<ResolutionRecord | undefined> {
    const { store } = this.#shared
    const stateKey = store.outcomeKey(sleeping.id)
    if ((await store.claim(stateKey, lease.token, claimMs)) !== 'ok') return undefined
    const say = (outcome: 'done' | 'failed', record?: ResolutionRecord) =>
      this.#say(stateKey, sleeping.id, lease, outcome, record)
    let woken: ResolutionRecord
    try {
      woken = recordOf(sleeping, await this.#wakeAlone(sleeping, AbortSignal.any([signal, lease.lost])))
    } catch (error) {
      if (!(await say('failed'))) return undefined
      throw error
    }
    return (await say('done', woken)) ? woken : undefined
  }

  /** False: another gateway has taken over meanwhile, what it says counts. */
  async #say(
    stateKey: string,
    lock: string,
    lease: Lease,
    outcome: 'done' | 'failed',
    record: ResolutionRecord | undefined,
  ): Promise<boolean> {
    const report = { token: lease.token, outcome, record, changed: { id: lock, lock }, ttlMs: outcomeMs }
    try {
      if ((await this.#shared.store.report(stateKey, report)) === 'ok') return true
      this.#shared.refused++
      return false
    } catch (error) {
      if (error instanceof RedisAwayError) return lease.sure
      throw error
    }
  }
}

/** Leaves a bare endpoint's backend as the kernel would make it, with where it came from. */
function marked(resolution: Resolution, key: string): Backend {
  const made = backend(resolution)
  if (originOf(made.metadata) !== undefined) return made
  const origin: Origin = { key, lock: made.id }
  return backend({ ...made, metadata: { ...made.metadata, redis: origin } })
}

/** A bare endpoint says only where it is now. */
function recordOf(sleeping: Backend, answer: Resolution): ResolutionRecord {
  const made = typeof answer === 'string' ? { ...sleeping, endpoints: backend(answer).endpoints } : backend(answer)
  const { id, endpoints, metadata, connectTimeoutMs: timeoutMs, tls, proxyProtocol } = made
  return { id, endpoint: endpoints, metadata, timeoutMs, tls, proxyProtocol, state: 'ready' }
}
