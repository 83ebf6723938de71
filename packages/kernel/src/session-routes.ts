import { announceRoute, routeStart } from './announcements.ts'
import type { Backend, DialRequest, Protocol, RouteRequest } from './contracts.ts'
import { GatewayError } from './errors.ts'
import type { ListenerSetup } from './generation.ts'
import type { PipelineParts } from './pipeline.ts'
import { isPromise, unlessAborted } from './promise.ts'
import { Residency } from './residency.ts'
import type { GatewaySession } from './session.ts'
import { UpstreamChannel } from './upstream.ts'

/** The routes of one session: what it asks of the resolver, what it dials, and the upstreams that it still owns. */
export class SessionRoutes {
  readonly #session: GatewaySession
  readonly #setup: ListenerSetup
  readonly #residency: Residency
  /** The key of the latest resolve. */
  key: string | undefined = undefined
  /** A resolve was answered with a backend. */
  found = false
  #upstreams: Set<UpstreamChannel> | undefined = undefined

  constructor(session: GatewaySession, setup: ListenerSetup) {
    this.#session = session
    this.#setup = setup
    this.#residency = new Residency(setup.generation.pipeline.parts)
  }

  resolve(key: string, attributes: Readonly<Record<string, string>>): Backend | Promise<Backend> {
    const startedAt = routeStart(this.#parts)
    this.key = key
    let answer: Backend | Promise<Backend>
    try {
      const request = this.#routeRequest(key, attributes)
      answer = this.#setup.generation.pipeline.resolve(request, this.#session.signal)
    } catch (cause) {
      throw this.#unrouted(key, startedAt, cause)
    }
    if (isPromise(answer)) return this.#resolveLater(answer, key, startedAt)
    this.#routed(key, startedAt, answer)
    return answer
  }

  async dial(backend: Backend, key: string, plugin: Protocol): Promise<UpstreamChannel> {
    const { pipeline } = this.#setup.generation
    this.#session.handshake.stop()
    try {
      const dialled = await pipeline.dial(this.#dialRequest(backend, key, plugin), this.#session.signal)
      const { maxHandshakeBytes } = this.#setup.limits
      const { backendTls } = pipeline.parts
      const upstream = new UpstreamChannel(dialled, this.#session, maxHandshakeBytes, key, backend, backendTls)
      this.#own(upstream)
      return upstream
    } finally {
      this.#session.handshake.start()
    }
  }

  /** The upstream was closed, or has a new owner. */
  forget(upstream: UpstreamChannel): void {
    this.#upstreams?.delete(upstream)
    if (this.#upstreams?.size === 0) this.#upstreams = undefined
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
    this.#residency.leave()
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
    const { id, client, listener } = this.#session
    const request = this.#setup.generation.dialRequest(backend, key, plugin, listener)
    return backend.proxyProtocol === 0
      ? { ...request, session: id }
      : { ...request, session: id, client: client.peer, local: this.#session.local }
  }

  async #resolveLater(answer: Promise<Backend>, key: string, startedAt: number): Promise<Backend> {
    this.#session.handshake.stop()
    try {
      const backend = await unlessAborted(answer, this.#session.signal)
      this.#routed(key, startedAt, backend)
      return backend
    } catch (cause) {
      throw this.#unrouted(key, startedAt, cause)
    } finally {
      this.#session.handshake.start()
    }
  }

  #routed(key: string, startedAt: number, backend: Backend): void {
    this.found = true
    if (this.#session.ending === undefined) this.#residency.enter(key, backend.metadata)
    announceRoute(this.#parts, this.#session, key, startedAt, backend)
  }

  #unrouted(key: string, startedAt: number, cause: unknown): GatewayError {
    const error = this.#session.over ?? GatewayError.from(cause, 'PROXY_RESOLVE_INTERNAL')
    announceRoute(this.#parts, this.#session, key, startedAt, error)
    return error
  }
}
