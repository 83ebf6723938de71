import { type Backend, GatewayError } from '@proxy/kernel'
import { describeRequest } from './answers.ts'
import type { ClientConnection } from './connection.ts'
import type { Exchange } from './exchange.ts'
import type { Incoming } from './incoming.ts'
import type { MessageHead } from './message.ts'
import type { HttpAnswer } from './options.ts'
import type { Pool } from './pool.ts'
import type { RequestReport } from './request-report.ts'
import type { Upstream } from './upstream.ts'

/** Who waits for a backend connection. */
export interface Seeker extends Exchange {
  /** The backend is still being found, woken or dialled. */
  readonly routing: boolean
  /** The operator's own code answers in place of a backend. */
  onAnswer(answer: HttpAnswer): void
}

/** The way of an HTTP/1.1 request to a backend connection: the operator's own code, the resolver, the pool. */
export class Routing {
  readonly #to: Seeker
  readonly #connection: ClientConnection
  readonly #incoming: Incoming
  readonly #report: RequestReport
  #pool: Pool | undefined = undefined

  constructor(to: Seeker, connection: ClientConnection, incoming: Incoming, report: RequestReport) {
    this.#to = to
    this.#connection = connection
    this.#incoming = incoming
    this.#report = report
  }

  /**
   * What there is at once: a pooled connection, an answer of the operator's, or what keeps the request from a backend.
   * undefined: the same is told later.
   */
  start(head: MessageHead, bytes: Buffer): Upstream | HttpAnswer | GatewayError | undefined {
    try {
      const answer = this.#connection.server.answersItself ? this.#ask(head, bytes) : undefined
      if (answer === undefined) return this.#find(false)
      if (!(answer instanceof Promise)) return answer
      answer.then(
        (late) => this.#answered(late),
        (error: unknown) => this.#failed(error),
      )
    } catch (error) {
      return GatewayError.from(error)
    }
    return undefined
  }

  #ask(head: MessageHead, bytes: Buffer): HttpAnswer | undefined | Promise<HttpAnswer | undefined> {
    const { server, session } = this.#connection
    const { directResponse, onRequest } = server.settings
    const { text, key } = this.#incoming
    return directResponse ?? onRequest?.(describeRequest(head, bytes, text, key, session))
  }

  #answered(answer: HttpAnswer | undefined): void {
    if (!this.#to.routing) return
    if (answer !== undefined) return this.#to.onAnswer(answer)
    try {
      const upstream = this.#find(true)
      if (upstream !== undefined) this.#to.onUpstream(upstream)
    } catch (error) {
      this.#failed(error)
    }
  }

  /** `late`: the request has waited already. Throws what the resolver throws. */
  #find(late: boolean): Upstream | undefined {
    const { server, session } = this.#connection
    const { key } = this.#incoming
    if (key === '' && !server.fixed) throw new GatewayError('PROXY_NO_KEY')
    const answer = server.resolve(session, key)
    if (!(answer instanceof Promise)) return this.#take(answer, late)
    answer.then(
      (backend) => this.#found(backend),
      (error: unknown) => this.#failed(error),
    )
    return undefined
  }

  #failed(error: unknown): void {
    this.#to.onNoUpstream(GatewayError.from(error))
  }

  #found(backend: Backend): void {
    if (!this.#to.routing) return
    const upstream = this.#take(backend, true)
    if (upstream !== undefined) this.#to.onUpstream(upstream)
  }

  #take(backend: Backend, late: boolean): Upstream | undefined {
    const { server, session } = this.#connection
    this.#report.routed(!late)
    const pool = server.pools.of(backend, session.id)
    this.#pool = pool
    const upstream = pool.take(!this.#incoming.replayable)
    if (upstream === undefined) pool.request(this.#to, session, backend, this.#incoming.key)
    else this.#report.pooled()
    return upstream
  }

  /** The same once more, as the connection that was given was closed under way. */
  retry({ pool }: Upstream): void {
    this.#report.disconnected()
    pool.request(this.#to, this.#connection.session, pool.backend, this.#incoming.key)
  }

  /** Nobody waits any more. */
  cancel(): void {
    this.#pool?.cancel(this.#to)
  }
}
