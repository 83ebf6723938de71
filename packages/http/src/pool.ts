import { type Backend, GatewayError, type Session, type Hooks } from '@proxy/kernel'
import type { Exchange } from './exchange.ts'
import { Upstream } from './upstream.ts'

/** What pools need of the protocol they belong to. */
export interface PoolHost {
  readonly hooks: Hooks
  /** Coarse monotonic milliseconds. */
  readonly now: number
  readonly poolSize: number
  readonly poolTimeoutMs: number
  readonly poolIdleTimeoutMs: number
  readonly maxHeadBytes: number
}

/** A request that waits because every connection is busy. */
interface Waiter {
  readonly exchange: Exchange
  readonly session: Session
  readonly backend: Backend
  readonly key: string
  readonly deadline: number
}

/** A connection that was idle for longer may be closed at any moment; requests that cannot be repeated avoid it. */
const freshMs = 1_000

/** The connections to one backend: last in, first out, so that those which are not needed grow old. */
export class Pool {
  readonly #host: PoolHost
  /** As it was resolved first; what is dialled is what was resolved last. */
  readonly backend: Backend
  readonly #idle: Upstream[] = []
  readonly #waiting: Waiter[] = []
  /** Idle, busy and being dialled. */
  #open = 0
  #retired = false

  constructor(host: PoolHost, backend: Backend) {
    this.#host = host
    this.backend = backend
  }

  get maxHeadBytes(): number {
    return this.#host.maxHeadBytes
  }

  get hooks(): Hooks {
    return this.#host.hooks
  }

  get empty(): boolean {
    return this.#open === 0 && this.#waiting.length === 0
  }

  get idle(): number {
    return this.#idle.length
  }

  /** An idle connection, at once. `fresh`: only one that was in use a moment ago. */
  take(fresh: boolean): Upstream | undefined {
    const idle = this.#idle
    while (idle.length > 0) {
      const upstream = idle[idle.length - 1]!
      if (fresh && this.#host.now - upstream.idleSince > freshMs) return undefined
      idle.pop()
      if (upstream.usable) {
        upstream.reused = true
        return upstream
      }
      upstream.abandon()
    }
    return undefined
  }

  /** Dials for the exchange, or lets it wait for its turn: `onUpstream` or `onNoUpstream` follows. */
  request(exchange: Exchange, session: Session, backend: Backend, key: string): void {
    const waiter = { exchange, session, backend, key, deadline: this.#host.now + this.#host.poolTimeoutMs }
    if (this.#open >= this.#host.poolSize) this.#makeRoom()
    if (this.#open < this.#host.poolSize) this.#dial(waiter)
    else this.#waiting.push(waiter)
  }

  /** The exchange does not want a connection any more. */
  cancel(exchange: Exchange): void {
    const index = this.#waiting.findIndex((waiter) => waiter.exchange === exchange)
    if (index >= 0) this.#waiting.splice(index, 1)
  }

  release(upstream: Upstream): void {
    if (this.#retired) return upstream.abandon()
    if (this.#waiting.length > 0) {
      upstream.reused = true
      this.#waiting.shift()!.exchange.onUpstream(upstream)
      return
    }
    upstream.idleSince = this.#host.now
    this.#idle.push(upstream)
  }

  /** The connection is closed, or not ours any more. */
  forget(upstream: Upstream): void {
    this.#open--
    const index = this.#idle.lastIndexOf(upstream)
    if (index >= 0) this.#idle.splice(index, 1)
    this.#dialForNext()
  }

  sweep(): void {
    const now = this.#host.now
    for (const upstream of this.#idle.filter(({ idleSince, idleLimitMs }) => now - idleSince >= idleLimitMs)) {
      upstream.abandon()
    }
    while (this.#waiting.length > 0 && this.#waiting[0]!.deadline <= now) {
      const { exchange } = this.#waiting.shift()!
      exchange.onNoUpstream(
        new GatewayError('PROXY_LIMIT_CONNECTIONS', { message: 'every connection to the tenant is busy' }),
      )
    }
  }

  /** Closes what is idle now, and the rest as it becomes so. */
  close(): void {
    this.#retired = true
    while (this.#idle.length > 0) this.#idle.pop()!.abandon()
  }

  /** Idle connections that are too old for a request that cannot be repeated give way to a new one. */
  #makeRoom(): void {
    this.#idle[0]?.abandon()
  }

  #dialForNext(): void {
    if (this.#waiting.length === 0 || this.#open >= this.#host.poolSize) return
    this.#dial(this.#waiting.shift()!)
  }

  #dial({ exchange, session, backend, key }: Waiter): void {
    this.#open++
    session.dial(backend, key).then(
      (channel) => {
        const { link, unread } = channel.detach()
        const upstream = new Upstream(channel, link, this, this.#host.poolIdleTimeoutMs)
        if (unread.length > 0 || !upstream.usable) {
          upstream.abandon()
          exchange.onNoUpstream(new GatewayError('PROXY_BACKEND_PROTOCOL'))
        } else exchange.onUpstream(upstream)
      },
      (error: unknown) => {
        this.#open--
        exchange.onNoUpstream(GatewayError.from(error, 'PROXY_DIAL_UNREACHABLE'))
        this.#dialForNext()
      },
    )
  }
}

/** The pools of one protocol, by backend. */
export class Pools {
  readonly #host: PoolHost
  readonly #byId = new Map<string, Pool>()
  #lastBackend: Backend | undefined = undefined
  #lastPool: Pool | undefined = undefined

  constructor(host: PoolHost) {
    this.#host = host
  }

  /**
   * The pool of a backend. Where a PROXY header names the client, a connection serves no other client: `owner` is then the
   * session whose pool it is.
   */
  of(backend: Backend, owner: string): Pool {
    if (backend === this.#lastBackend) return this.#lastPool!
    const id = backend.proxyProtocol === 0 ? backend.id : `${backend.id} ${owner}`
    let pool = this.#byId.get(id)
    if (pool === undefined || !sameEndpoints(pool.backend, backend)) {
      pool?.close()
      pool = new Pool(this.#host, backend)
      this.#byId.set(id, pool)
    }
    if (backend.proxyProtocol === 0) {
      this.#lastBackend = backend
      this.#lastPool = pool
    }
    return pool
  }

  sweep(): void {
    for (const [id, pool] of this.#byId) {
      pool.sweep()
      if (!pool.empty) continue
      this.#byId.delete(id)
      if (this.#lastPool === pool) this.#lastBackend = undefined
    }
  }

  close(): void {
    for (const pool of this.#byId.values()) pool.close()
    this.#byId.clear()
    this.#lastBackend = undefined
  }
}

/** A backend may move and keep its id. */
function sameEndpoints(a: Backend, b: Backend): boolean {
  if (a === b) return true
  if (a.endpoints.length !== b.endpoints.length || a.tls?.mode !== b.tls?.mode) return false
  return a.endpoints.every(({ host, port }, i) => host === b.endpoints[i]!.host && port === b.endpoints[i]!.port)
}
