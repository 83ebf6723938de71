import { NO_TIME, announceAnswer, announceRoute, type RouteTime } from './announcements.ts'
import type { Backend, DialRequest, Endpoint, Protocol, RouteRequest } from './contracts.ts'
import { GatewayError } from './errors.ts'
import type { ListenerSetup } from './generation.ts'
import type { SessionTiming } from './hooks.ts'
import type { PipelineParts } from './pipeline.ts'
import { isPromise, unlessAborted } from './promise.ts'
import { Residency, wantsToKnow } from './residency.ts'
import { NO_TIMING, SessionTimes } from './session-times.ts'
import type { GatewaySession } from './session.ts'
import { UpstreamChannel } from './upstream.ts'

/** The routes of one session: what it asks of the resolver, what it dials, and the upstreams that it still owns. */
export class SessionRoutes {
  readonly #session: GatewaySession
  readonly #setup: ListenerSetup
  /** For a resolver that is told who uses what. */
  #residency: Residency | undefined = undefined
  /** The key of the latest resolve. */
  key: string | undefined = undefined
  /** A resolve was answered with a backend. */
  found = false
  /** Where the latest dial led to, until its upstream was given away. */
  dialled: { readonly backend: Backend; readonly endpoint: Endpoint } | undefined = undefined
  #upstreams: Set<UpstreamChannel> | undefined = undefined
  /** Where somebody will be told. */
  #times: SessionTimes | undefined = undefined

  constructor(session: GatewaySession, setup: ListenerSetup) {
    this.#session = session
    this.#setup = setup
  }

  resolve(key: string, attributes: Readonly<Record<string, string>>): Backend | Promise<Backend> {
    if (this.key === undefined) this.#asked()
    this.key = key
    let answer: Backend | Promise<Backend>
    try {
      const request = this.#routeRequest(key, attributes)
      answer = this.#setup.generation.pipeline.resolve(request, this.#session.signal)
    } catch (cause) {
      throw this.#unrouted(key, NO_TIME, cause)
    }
    if (isPromise(answer)) return this.#resolveLater(answer, key)
    // What is known at once took no time: a session of many requests would read the clock for nothing.
    this.#routed(key, NO_TIME, answer)
    return answer
  }

  async dial(backend: Backend, key: string, plugin: Protocol): Promise<UpstreamChannel> {
    const { pipeline } = this.#setup.generation
    const startedAt = this.#begin()
    const wokenMs = this.#wokenMs
    this.#session.handshake.stop()
    try {
      const dialled = await pipeline.dial(this.#dialRequest(backend, key, plugin), this.#session.signal)
      const { maxHandshakeBytes } = this.#setup.limits
      const { backendTls } = pipeline.parts
      const upstream = new UpstreamChannel(dialled, this.#session, maxHandshakeBytes, key, backend, backendTls)
      this.#own(upstream)
      this.dialled = { backend, endpoint: upstream.endpoint }
      return upstream
    } finally {
      this.#session.handshake.start()
      this.#dialled(startedAt, wokenMs)
    }
  }

  /** Part of what is waited for was a backend that starts. */
  waited(wakeMs: number): void {
    this.#times?.waited(wakeMs)
  }

  /** An upstream of the session has said its first bytes, now or at the time that a relay has noted. */
  heard(at: number | undefined = this.#parts.clock.now()): void {
    this.#times?.heard(at - this.#session.acceptedAt)
  }

  get timing(): SessionTiming {
    return this.#times?.timing ?? NO_TIMING
  }

  /** The upstream was closed, or has a new owner. */
  forget(upstream: UpstreamChannel): void {
    this.#upstreams?.delete(upstream)
    if (this.#upstreams?.size === 0) this.#upstreams = undefined
  }

  /** The upstream has a new owner: what becomes of it is no longer seen here. */
  release(upstream: UpstreamChannel): void {
    announceAnswer(this.#parts, this.#session, upstream)
    this.dialled = undefined
    this.forget(upstream)
  }

  fail(error: GatewayError): void {
    for (const upstream of this.#upstreams ?? []) upstream.fail(error)
  }

  destroy(): void {
    for (const upstream of this.#upstreams ?? []) upstream.destroy()
    this.#upstreams = undefined
  }

  /** The session ended: its resources are told. */
  leave(): void {
    this.#residency?.leave()
  }

  get #parts(): PipelineParts {
    return this.#setup.generation.pipeline.parts
  }

  /** A dial may succeed in the very turn in which the session is given up. */
  #own(upstream: UpstreamChannel): void {
    const { over } = this.#session
    if (over !== undefined) {
      upstream.destroy()
      throw over
    }
    this.#upstreams ??= new Set()
    this.#upstreams.add(upstream)
  }

  #routeRequest(key: string, attributes: Readonly<Record<string, string>>): RouteRequest {
    const { id: session, protocol, listener, client } = this.#session
    return { key, protocol, listener, session, client: client.peer, tls: client.tls, unread: client.unread, attributes }
  }

  #dialRequest(backend: Backend, key: string, plugin: Protocol): DialRequest {
    return this.#setup.generation.dialRequest(backend, key, plugin, this.#session.listener, this.#session)
  }

  async #resolveLater(answer: Promise<Backend>, key: string): Promise<Backend> {
    const startedAt = this.#begin()
    const wokenMs = this.#wokenMs
    this.#session.handshake.stop()
    try {
      const backend = await unlessAborted(answer, this.#session.signal)
      this.#routed(key, this.#resolved(startedAt, wokenMs), backend)
      return backend
    } catch (cause) {
      throw this.#unrouted(key, this.#resolved(startedAt, wokenMs), cause)
    } finally {
      this.#session.handshake.start()
    }
  }

  #routed(key: string, time: RouteTime, backend: Backend): void {
    this.found = true
    if (this.#session.ending === undefined && wantsToKnow(this.#parts.resolver)) {
      this.#residency ??= new Residency(this.#parts)
      this.#residency.enter(key, backend.metadata)
    }
    announceRoute(this.#parts, this.#session, key, time, backend)
  }

  #unrouted(key: string, time: RouteTime, cause: unknown): GatewayError {
    const error = this.#session.over ?? GatewayError.from(cause, 'PROXY_RESOLVE_INTERNAL')
    announceRoute(this.#parts, this.#session, key, time, error)
    return error
  }

  /** By the first resolve the client has said whom it is for. */
  #asked(): void {
    const at = this.#begin()
    this.#times?.asked(at - this.#session.acceptedAt)
  }

  /** When something began that takes time; -1 when nobody will be told how long it took. */
  #begin(): number {
    const { hooks, clock } = this.#parts
    if (!hooks.has('session:end') && !hooks.has('route:end')) return -1
    this.#times ??= new SessionTimes()
    return clock.now()
  }

  get #wokenMs(): number {
    return this.#times?.wakeMs ?? 0
  }

  #resolved(startedAt: number, wokenMs: number): RouteTime {
    if (startedAt < 0) return NO_TIME
    const durationMs = this.#parts.clock.now() - startedAt
    // Requests of one session may wait at the same time.
    const wakeMs = Math.min(durationMs, this.#wokenMs - wokenMs)
    this.#times?.resolved(durationMs, wakeMs)
    return { durationMs, wakeMs }
  }

  #dialled(startedAt: number, wokenMs: number): void {
    if (startedAt < 0) return
    const now = this.#parts.clock.now()
    const durationMs = now - startedAt
    const wakeMs = Math.min(durationMs, this.#wokenMs - wokenMs)
    this.#times?.dialled(durationMs, wakeMs, now - this.#session.acceptedAt)
  }
}
