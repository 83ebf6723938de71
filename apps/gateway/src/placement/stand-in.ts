import {
  type Backend,
  type Disposer,
  GatewayError,
  type Metadata,
  type Resolution,
  type Resolver,
  type RouteRequest,
} from '@proxy/kernel'
import type { PeerLink } from '../fleet/peer-link.ts'
import { ActivityBatch } from './activity-batch.ts'
import { Usage } from './usage.ts'
import { decodeBackend, decodeError, encodeBackend, type Lease, type Outcome, topics } from './wire.ts'

const primary = 0
// Whoever asks has a deadline, and aborts; what is stopped has one of its own.
const longestCallMs = 24 * 3_600_000

/** The resolver of the primary process, seen from a worker. Has the optional methods that the other has. */
export function standIn(lease: Lease, peers: PeerLink, closed: () => void): StandIn {
  const inner = new StandInCalls(lease, peers, closed)
  const has = (method: keyof Resolver): boolean => lease.methods.includes(method)
  const sessions = has('onConnect') || has('onDisconnect')
  return {
    of: lease.resolver,
    inner,
    resolver: {
      name: lease.name,
      resolve: (request, signal) => inner.resolve(request, signal),
      watch: (changed) => inner.watch(changed),
      close: () => inner.close(),
      ...(has('wake') && { wake: (backend, signal) => inner.wake(backend, signal) }),
      ...(has('sleep') && { sleep: (backend) => inner.sleep(backend) }),
      ...((has('track') || has('sleep')) && { track: (key, metadata) => inner.track(key, metadata) }),
      ...(has('purge') && { purge: (key) => inner.purge(key) }),
      ...(sessions && {
        onConnect: (key, metadata) => inner.onConnect(key, metadata),
        onDisconnect: (key, metadata) => inner.onDisconnect(key, metadata),
      }),
    } satisfies Resolver,
  }
}

export interface StandIn {
  /** Number of the resolver. */
  readonly of: number
  readonly resolver: Resolver
  readonly inner: StandInCalls
}

/** The calls themselves. */
export class StandInCalls {
  readonly #lease: number
  readonly #tracks: boolean
  readonly #peers: PeerLink
  readonly #closed: () => void
  readonly #batch: ActivityBatch
  readonly #usage = new Usage()
  readonly #watchers = new Set<(backendId: string) => void>()
  #calls = 0
  #open = true

  constructor({ id, methods }: Lease, peers: PeerLink, closed: () => void) {
    this.#lease = id
    this.#tracks = methods.includes('track')
    this.#peers = peers
    this.#closed = closed
    this.#batch = new ActivityBatch((activities) => this.#tell(topics.activity, { activities }))
  }

  async resolve(request: RouteRequest, signal: AbortSignal): Promise<Resolution> {
    return this.#known(decodeBackend(await this.#call(topics.resolve, request, signal)))
  }

  async wake(sleeping: Backend, signal: AbortSignal): Promise<Resolution> {
    const answer = await this.#call(topics.wake, encodeBackend(sleeping), signal)
    // A bare endpoint leaves the backend what it was, metadata included.
    return typeof answer === 'string' ? answer : this.#known(decodeBackend(answer))
  }

  /** From here on the route is asked for again, so that the primary knows of everyone who comes after this. */
  sleep({ id }: Backend): Promise<void> {
    this.#usage.idle(id)
    this.changed(id)
    this.#batch.flush()
    return this.#ask(topics.sleep, { backend: id }).then(nothing)
  }

  /** Asked by the primary before a backend is put to sleep on behalf of another worker. */
  used(id: string): boolean {
    this.#batch.flush()
    const used = this.#usage.has(id)
    if (!used) this.changed(id)
    return used
  }

  changed(id: string): void {
    for (const watcher of this.#watchers) watcher(id)
  }

  watch(changed: (backendId: string) => void): Disposer {
    const watcher = (id: string): void => changed(id)
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  async purge(key: string): Promise<void> {
    await this.#ask(topics.purge, { key })
  }

  track(key: string, metadata: Metadata): void {
    this.#usage.route(metadata)
    if (this.#tracks) this.#batch.track(key, metadata)
  }

  onConnect(key: string, metadata: Metadata): void {
    this.#batch.connect(key, metadata)
  }

  onDisconnect(key: string, metadata: Metadata): void {
    this.#batch.disconnect(key, metadata)
  }

  close(): Promise<void> {
    if (!this.#open) return Promise.resolve()
    this.#open = false
    this.#batch.flush()
    this.#closed()
    // The primary may be gone, and this process is about to be.
    return this.#ask(topics.release, {}).then(nothing, nothing)
  }

  #known(made: Backend): Backend {
    this.#usage.know(made)
    return made
  }

  #ask(topic: string, message: object): Promise<unknown> {
    return this.#peers.ask(primary, topic, { lease: this.#lease, ...message }, longestCallMs)
  }

  #tell(topic: string, message: object): void {
    this.#ask(topic, message).catch(nothing)
  }

  async #call(topic: string, subject: unknown, signal: AbortSignal): Promise<unknown> {
    if (signal.aborted) throw GatewayError.from(signal.reason, 'PROXY_CLIENT_GONE')
    const call = ++this.#calls
    const message = { lease: this.#lease, call, subject }
    const answer = this.#peers.ask(primary, topic, message, longestCallMs) as Promise<Outcome>
    const outcome = await unlessAborted(answer, signal, () => this.#tell(topics.abort, { call }))
    if ('error' in outcome) throw decodeError(outcome.error)
    return outcome.value
  }
}

const nothing = (): void => undefined

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal, aborted: () => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      aborted()
      reject(signal.reason as Error)
    }
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
