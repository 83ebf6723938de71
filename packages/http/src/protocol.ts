import { latin1 } from './bytes.ts'
import {
  backend as toBackend,
  type Backend,
  type Clock,
  type GatewayError,
  Hooks,
  type Link,
  type Protocol,
  type ProtocolContext,
  type Disposer,
  type Session,
  type Upstream,
} from '@proxy/kernel'
import { ClientConnection } from './connection.ts'
import { detectHttp } from './detect.ts'
import { Http2Side } from './http2.ts'
import { type HttpOptions, type Settings, toSettings } from './options.ts'
import { type PoolHost, Pools } from './pool.ts'
import { ready } from './ready.ts'
import { refusalMessage, refusalOf } from './refusals.ts'

/** A client connection of either version. */
export interface Served {
  drain(): void
  sweep(): void
}

const preface = 'PRI * HTTP/2.0'
/** What `http()` makes: one set of pools, connections and a single timer for all of them. */
export class HttpProtocol implements Protocol, PoolHost {
  readonly api = 1
  readonly name = 'http'
  readonly speaksFirst = 'client'
  readonly alpn: readonly string[]
  readonly settings: Settings
  readonly pools: Pools
  readonly poolSize: number
  readonly poolTimeoutMs: number
  readonly poolIdleTimeoutMs: number
  readonly maxHeadBytes: number
  readonly fixed: boolean
  /** Requests may be answered without a backend. */
  readonly answersItself: boolean
  /** Coarse monotonic milliseconds: the time of the last sweep. */
  now = 0
  hooks: Hooks = new Hooks()
  /** Absent without a path to ask for: who can be dialled then is ready. */
  readonly ready?: (upstream: Upstream) => Promise<void>
  readonly #backend: Backend | undefined
  readonly #served = new Map<Session, Served>()
  readonly #periodMs: number
  readonly #http2: Http2Side
  /** Errors whose clients have had their answer. */
  readonly #told = new WeakSet<GatewayError>()
  #clock: Clock | undefined = undefined

  constructor(options: HttpOptions) {
    const settings = toSettings(options)
    this.settings = settings
    this.alpn = settings.http2 ? ['h2', 'http/1.1'] : ['http/1.1']
    this.poolSize = settings.poolSize
    this.poolTimeoutMs = settings.poolTimeoutMs
    this.poolIdleTimeoutMs = settings.poolIdleTimeoutMs
    this.maxHeadBytes = settings.maxHeadBytes
    this.answersItself = settings.directResponse !== undefined || settings.onRequest !== undefined
    const { readyPath } = options
    if (readyPath !== undefined) this.ready = (upstream) => ready(upstream, readyPath)
    this.#backend = options.backend === undefined ? undefined : toBackend(options.backend)
    this.fixed = this.#backend !== undefined
    this.#periodMs = periodOf(settings)
    this.pools = new Pools(this)
    this.#http2 = new Http2Side(this)
  }

  get observed(): boolean {
    return this.settings.telemetryHeaders || this.hooks.has('request:end')
  }

  /** Between two sweeps. */
  get periodSeconds(): number {
    return this.#periodMs / 1_000
  }

  exactNow(): number {
    return this.#clock?.now() ?? this.now
  }

  /** Whether `limitMs` have passed for certain since a moment that was read off `now`. */
  expired(since: number, limitMs: number): boolean {
    return this.now - since >= limitMs + this.#periodMs
  }

  detect(prefix: Buffer): boolean | undefined {
    return detectHttp(prefix)
  }

  setup({ hooks, clock }: ProtocolContext): Disposer {
    this.hooks = hooks
    this.#clock = clock
    this.now = clock.now()
    const stop = clock.every(this.#periodMs, () => this.sweep())
    return () => {
      stop()
      this.pools.close()
      this.#http2.close()
    }
  }

  serve(session: Session): Promise<void> {
    const { link, unread } = session.client.detach()
    if (session.client.tls?.alpn === 'h2') return this.serveHttp2(session, link, unread)
    return this.#serveHttp1(session, link, unread)
  }

  #serveHttp1(session: Session, link: Link, unread: Buffer): Promise<void> {
    const settled = Promise.withResolvers<void>()
    const connection = new ClientConnection(this, session, link, settled)
    this.#served.set(session, connection)
    if (session.draining) connection.drain()
    connection.start(unread)
    return settled.promise
  }

  /** A connection is over. Of its error, the client has had its answer already. */
  left(session: Session, error: GatewayError | undefined): void {
    this.#served.delete(session)
    if (error !== undefined) this.#told.add(error)
  }

  /** Whether these are the first bytes of a client that knows that HTTP/2 is spoken here. */
  takesHttp2(bytes: Buffer, at: number): boolean {
    return this.settings.h2c && latin1(bytes, at, at + preface.length) === preface
  }

  async serveHttp2(session: Session, link: Link, unread: Buffer): Promise<void> {
    const { served, ended } = this.#http2.serve(session, link, unread)
    this.#served.set(session, served)
    if (session.draining) served.drain()
    await ended
    this.#served.delete(session)
  }

  refuse(error: GatewayError): string | undefined {
    if (this.#told.delete(error)) return undefined
    return refusalMessage(refusalOf(error, ''), 'Connection: close\r\n', false)
  }

  drain(session: Session): void {
    this.#served.get(session)?.drain()
  }

  resolve(session: Session, key: string): Backend | Promise<Backend> {
    return this.#backend ?? session.resolve(key)
  }

  sweep(): void {
    this.now = this.exactNow()
    for (const served of this.#served.values()) served.sweep()
    this.pools.sweep()
    this.#http2.sweep()
  }
}

/** Often enough for the shortest of the timeouts, and never so often that it costs. */
function periodOf(settings: Settings): number {
  const { poolIdleTimeoutMs, keepAliveTimeoutMs, requestTimeoutMs, headTimeoutMs, bodyTimeoutMs } = settings
  const all = [poolIdleTimeoutMs, keepAliveTimeoutMs, requestTimeoutMs, headTimeoutMs, bodyTimeoutMs]
  const shortest = Math.min(...all.filter((timeoutMs) => timeoutMs > 0))
  return Math.max(20, Math.min(1_000, Math.floor(shortest / 4)))
}
