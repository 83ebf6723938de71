import { type Backend, type Endpoint, GatewayError, type RequestTrace, type Session } from '@proxy/kernel'
import { answerMessage, describeRequest } from './answers.ts'
import { BodyFraming } from './body.ts'
import { latin1 } from './bytes.ts'
import type { ClientConnection } from './connection.ts'
import type { Exchange } from './exchange.ts'
import { requestHead } from './headers.ts'
import { keyOf } from './host.ts'
import type { MessageHead } from './message.ts'
import { TRACEPARENT, TRACESTATE } from './names.ts'
import type { HttpAnswer } from './options.ts'
import type { Pool } from './pool.ts'
import type { HttpProtocol } from './protocol.ts'
import { malformed, refusalMessage, refusalOf, statusOf } from './refusals.ts'
import { fieldOf, hostField, isIdempotent, methodOf, pathOf, readTarget } from './request-line.ts'
import { ResponseWriter, smallBody } from './response.ts'
import { isUpgrade } from './upgrade.ts'
import type { Upstream } from './upstream.ts'

const IDLE = 0
/** The backend is being found, woken or dialled. */
const ROUTING = 1
/** The body is on its way. */
const BODY = 2
/** The request is sent. */
const SENT = 3

const closeLine = 'Connection: close\r\n'
const keepAliveLine = 'Connection: keep-alive\r\n'

/** The request in progress on a client connection, from its head to the end of its response; then the next one. */
export class Http1Request implements Exchange {
  readonly #connection: ClientConnection
  readonly #server: HttpProtocol
  readonly #body = new BodyFraming()
  readonly #response: ResponseWriter
  #state = IDLE
  /** The Host as it was sent last, and the key in it. */
  #host: string | undefined = undefined
  #key = ''
  #method = ''
  #minor = 1
  /** The head for the backend. */
  #text = ''
  #keepAlive = true
  #replayable = false
  #upgrades = false
  #pool: Pool | undefined = undefined
  #upstream: Upstream | undefined = undefined
  #closeAfter = false
  #bytesIn = 0
  // What is observed of the request in progress.
  #observed = false
  #startedAt = 0
  #routedMs: number | undefined = undefined
  #upstreamMs: number | undefined = undefined
  #firstByteMs: number | undefined = undefined
  /** Known early where the whole response came in one read. */
  #durationMs: number | undefined = undefined
  #endpoint: Endpoint | undefined = undefined
  #error: GatewayError | undefined = undefined
  #trace: RequestTrace | undefined = undefined

  constructor(connection: ClientConnection) {
    this.#connection = connection
    this.#server = connection.server
    this.#response = new ResponseWriter(connection.link)
  }

  get idle(): boolean {
    return this.#state === IDLE
  }

  get takesBody(): boolean {
    return this.#state === BODY
  }

  /** The backend must take bytes before the client may send more. */
  get blocked(): boolean {
    return this.#state === BODY && this.#upstream?.link.writable === false
  }

  get isHead(): boolean {
    return this.#method === 'HEAD'
  }

  get unchunks(): boolean {
    return this.#minor === 0
  }

  get upgrades(): boolean {
    return this.#upgrades
  }

  get sent(): boolean {
    return this.#body.done
  }

  /** A head is complete. Returns the offset behind what of the request was taken. */
  begin(head: MessageHead, bytes: Buffer, end: number): number {
    this.#method = methodOf(head, bytes)
    this.#minor = head.minor
    this.#text = ''
    this.#keepAlive = head.minor === 1 ? !head.close : head.keepAlive && !head.close
    this.#upgrades = isUpgrade(head, bytes)
    if (head.chunked) this.#body.chunks()
    else if (head.contentLength > 0) this.#body.length(head.contentLength)
    else this.#body.none()
    this.#replayable = this.#body.done && isIdempotent(this.#method)
    this.#response.reset()
    this.#observed = this.#server.observed
    if (this.#observed) this.#observe(end - head.start)
    if (this.#server.settings.tracer !== undefined) this.#follow(head, bytes)
    const target = readTarget(head, bytes, this.#method)
    if (typeof target === 'string') return this.#refuseTarget(bytes, end, target)
    const host = target.absolute?.authority ?? hostField(head, bytes, this.#host)
    if (host !== this.#host && !this.#takeHost(host)) return this.#refuseEarly(bytes, end, malformed('Host'))
    this.#text = requestHead(
      head,
      bytes,
      host,
      this.#connection.forwarder,
      target.absolute,
      this.#upgrades,
      this.#trace,
    )
    return this.#server.answersItself ? this.#intercept(head, bytes, end) : this.#route(bytes, end)
  }

  #takeHost(host: string): boolean {
    const key = keyOf(host)
    if (key === undefined) return false
    this.#host = host
    this.#key = key
    return true
  }

  // ---- the way to a backend ---------------------------------------------------------------------------------

  /** Lets the operator's own code answer first. */
  #intercept(head: MessageHead, bytes: Buffer, at: number): number {
    const { directResponse, onRequest } = this.#server.settings
    if (directResponse !== undefined) return this.#answerEarly(bytes, at, directResponse)
    if (onRequest === undefined) return this.#route(bytes, at)
    let answer: HttpAnswer | undefined | Promise<HttpAnswer | undefined>
    try {
      answer = onRequest(describeRequest(head, bytes, this.#text, this.#key, this.#connection.session))
    } catch (error) {
      return this.#refuseEarly(bytes, at, GatewayError.from(error))
    }
    if (answer === undefined) return this.#route(bytes, at)
    if (!(answer instanceof Promise)) return this.#answerEarly(bytes, at, answer)
    this.#state = ROUTING
    answer.then(
      (late) => this.#intercepted(late),
      (error: unknown) => this.onNoUpstream(GatewayError.from(error)),
    )
    return at
  }

  #intercepted(answer: HttpAnswer | undefined): void {
    if (this.#state !== ROUTING) return
    const held = this.#connection.takeHeld()
    const at = answer === undefined ? this.#route(held, 0) : this.#answerEarly(held, 0, answer)
    this.#connection.keepRest(held, at)
  }

  #route(bytes: Buffer, at: number): number {
    let answer: Backend | Promise<Backend>
    try {
      if (this.#key === '' && !this.#server.fixed) throw new GatewayError('PROXY_NO_KEY')
      answer = this.#server.resolve(this.#connection.session, this.#key)
    } catch (error) {
      return this.#refuseEarly(bytes, at, GatewayError.from(error))
    }
    if (!(answer instanceof Promise)) {
      this.#routedMs = this.#state === IDLE ? 0 : this.#elapsed()
      const upstream = this.#take(answer)
      return upstream === undefined ? at : this.#send(upstream, bytes, at)
    }
    this.#state = ROUTING
    answer.then(
      (backend) => this.#routed(backend),
      (error: unknown) => this.onNoUpstream(GatewayError.from(error)),
    )
    return at
  }

  #routed(backend: Backend): void {
    if (this.#state !== ROUTING) return
    this.#routedMs = this.#elapsed()
    const upstream = this.#take(backend)
    if (upstream !== undefined) this.onUpstream(upstream)
  }

  /** A pooled connection, or undefined: one is on its way. */
  #take(backend: Backend): Upstream | undefined {
    const { session } = this.#connection
    const pool = this.#server.pools.of(backend, session.id)
    const upstream = pool.take(!this.#replayable)
    this.#pool = pool
    if (upstream !== undefined) {
      this.#upstreamMs = this.#routedMs
      return upstream
    }
    this.#state = ROUTING
    pool.request(this, session, backend, this.#key)
    return undefined
  }

  onUpstream(upstream: Upstream): void {
    if (this.#state !== ROUTING) return upstream.pool.release(upstream)
    this.#upstreamMs ??= this.#elapsed()
    const held = this.#connection.takeHeld()
    this.#connection.keepRest(held, this.#send(upstream, held, 0))
  }

  onNoUpstream(error: GatewayError): void {
    if (this.#state === ROUTING) this.#refuse(error)
  }

  /** Head and what there is of the body. Returns the offset behind it. */
  #send(upstream: Upstream, bytes: Buffer, at: number): number {
    const end = this.#body.consume(bytes, at, bytes.length)
    if (end < 0) {
      upstream.pool.release(upstream)
      this.#refuse(malformed('broken chunks'))
      return bytes.length
    }
    this.#upstream = upstream
    this.#endpoint = upstream.channel.endpoint
    this.#state = this.#body.done ? SENT : BODY
    this.#bytesIn += end - at
    this.#connection.touch()
    upstream.begin(this)
    const { link } = upstream
    let ready: boolean
    if (end === at) ready = link.write(this.#text)
    else if (end - at <= smallBody) ready = link.write(this.#text + latin1(bytes, at, end))
    else {
      link.write(this.#text)
      ready = link.write(bytes.subarray(at, end))
    }
    if (!ready && this.#state === BODY) this.#connection.pause()
    return end
  }

  /** More of the body. */
  onClientBody(bytes: Buffer): void {
    const upstream = this.#upstream!
    const end = this.#body.consume(bytes, 0, bytes.length)
    if (end < 0) return this.#giveUp(malformed('broken chunks'))
    if (this.#body.done) this.#state = SENT
    this.#bytesIn += end
    const ready = upstream.link.write(end === bytes.length ? bytes : bytes.subarray(0, end))
    if (!ready && this.#state === BODY) this.#connection.pause()
    if (end < bytes.length) this.#connection.hold(bytes, end)
  }

  onUpstreamDrain(): void {
    this.#connection.touch()
    if (this.#state === BODY) this.#connection.resume()
  }

  onClientDrain(): void {
    this.#upstream?.link.resume()
  }

  // ---- the response -----------------------------------------------------------------------------------------

  onInterim(head: MessageHead, bytes: Buffer): void {
    if (this.#minor === 0) return
    this.#connection.touch()
    this.#response.interim(head, bytes)
  }

  onResponse(head: MessageHead, bytes: Buffer, bodyEnd: number, complete: boolean): void {
    const unframed = this.#minor === 0 && head.chunked
    const endless = unframed || (!complete && this.#upstream?.untilClose === true)
    this.#connection.touch()
    this.#firstByteMs = this.#elapsed()
    if (complete) this.#durationMs = this.#firstByteMs
    this.#closeAfter = !this.#keepAlive || this.#connection.draining || endless || !this.#body.done
    this.#afterWrite(this.#response.head(head, bytes, bodyEnd, this.#addedLines(), unframed), complete)
  }

  onBody(bytes: Buffer, start: number, end: number, complete: boolean): void {
    this.#connection.touch()
    this.#afterWrite(this.#response.write(bytes, start, end), complete)
  }

  onPayload(bytes: Buffer, start: number, end: number): void {
    this.#afterWrite(this.#response.write(bytes, start, end), false)
  }

  onSwitch(head: MessageHead, bytes: Buffer): void {
    const { channel, link } = this.#upstream!
    this.#response.status = 101
    this.#response.write(bytes, head.start, bytes.length)
    link.write(this.#connection.takeHeld())
    this.#end()
    this.#connection.relay(channel)
  }

  onUpstreamFailure(error: GatewayError, clean: boolean): void {
    const upstream = this.#upstream
    this.#upstream = undefined
    if (this.#response.begun || !clean || !this.#replayable || upstream?.reused !== true) return this.#giveUp(error)
    this.#upstreamMs = undefined
    // It had been idle and was closed while the request was under way: nobody has seen the request.
    this.#state = ROUTING
    upstream.pool.request(this, this.#connection.session, upstream.pool.backend, this.#key)
  }

  get session(): Session {
    return this.#connection.session
  }

  #addedLines(): string {
    const connection = this.#closeAfter ? closeLine : this.#minor === 0 ? keepAliveLine : ''
    return this.#server.settings.telemetryHeaders ? connection + this.#telemetry() : connection
  }

  #telemetry(): string {
    const ms = Math.round((this.#server.exactNow() - this.#startedAt) * 1_000) / 1_000
    const { id } = this.#connection.session
    return `X-Proxy-Session: ${id}\r\nX-Proxy-Key: ${this.#key}\r\nX-Proxy-Duration-Ms: ${ms}\r\n`
  }

  #afterWrite(ready: boolean, complete: boolean): void {
    if (complete) this.#finish(undefined)
    else if (!ready) this.#upstream?.link.pause()
  }

  // ---- the end ----------------------------------------------------------------------------------------------

  sweep(): void {
    const { bodyTimeoutMs, requestTimeoutMs } = this.#server.settings
    const connection = this.#connection
    if (this.#state === BODY) {
      const code = this.blocked ? 'PROXY_BACKEND_TIMEOUT' : 'PROXY_PEEK_TIMEOUT'
      if (connection.expired(bodyTimeoutMs)) this.#giveUp(new GatewayError(code))
    } else if (this.#state === SENT && !this.#response.begun) {
      const late = requestTimeoutMs > 0 && connection.expired(requestTimeoutMs)
      if (late) this.#tooLate()
    } else if (this.#state === SENT && !connection.link.writable && connection.expired(bodyTimeoutMs)) {
      connection.break(new GatewayError('PROXY_CLIENT_GONE'))
    }
  }

  #tooLate(): void {
    const error = new GatewayError('PROXY_BACKEND_TIMEOUT')
    this.#upstream?.faulted(error)
    this.#giveUp(error)
  }

  /** The client is of no more interest: whoever works for it stops. */
  abandon(): void {
    if (this.#state === IDLE) return
    if (this.#state === ROUTING) this.#pool?.cancel(this)
    this.#upstream?.abandon()
    this.#end()
  }

  /** Refuses, or breaks off what has been answered in part. */
  #giveUp(error: GatewayError): void {
    this.#error = error
    this.#upstream?.abandon()
    if (this.#response.begun) this.#connection.break(error)
    else this.#refuse(error)
  }

  #end(): void {
    this.#report()
    this.#state = IDLE
    this.#upstream = undefined
    this.#text = ''
  }

  #finish(fatal: GatewayError | undefined): void {
    this.#end()
    this.#connection.finished(this.#closeAfter, fatal)
  }

  #refuseTarget(bytes: Buffer, at: number, problem: string): number {
    if (this.#method !== 'CONNECT') return this.#refuseEarly(bytes, at, malformed(problem))
    this.#keepAlive = false
    return this.#refuseEarly(bytes, at, new GatewayError('PROXY_UNSUPPORTED', { message: problem }), 405)
  }

  /** Refuses within the read that brought the head. Returns the offset behind what there is of the body. */
  #refuseEarly(bytes: Buffer, at: number, error: GatewayError, status?: number): number {
    const end = this.#body.consume(bytes, at, bytes.length)
    this.#refuse(error, status)
    return end < 0 ? bytes.length : end
  }

  #answerEarly(bytes: Buffer, at: number, answer: HttpAnswer): number {
    const end = this.#body.consume(bytes, at, bytes.length)
    this.#settle()
    this.#conclude(answer.status ?? 200, answerMessage(answer, this.#addedLines(), this.isHead), undefined)
    return end < 0 ? bytes.length : end
  }

  /** Nothing behind the bytes that were read can be trusted to be a request. */
  refuseMalformed(error: GatewayError, status: number): void {
    this.#method = ''
    this.#keepAlive = false
    this.#body.none()
    this.#response.reset()
    this.#connection.takeHeld()
    this.#observed = this.#server.observed
    if (this.#observed) this.#observe(0)
    this.#refuse(error, status, error)
  }

  #refuse(error: GatewayError, status: number = statusOf(error), fatal?: GatewayError): void {
    this.#error = error
    const refusal = refusalOf(error, fieldOf(this.#text, 'accept'), status)
    this.#settle()
    this.#conclude(status, refusalMessage(refusal, this.#addedLines(), this.isHead), fatal)
  }

  /** Decides whether the connection lives on behind an answer of ours. */
  #settle(): void {
    if (!this.#body.done) {
      const held = this.#connection.takeHeld()
      const at = this.#body.consume(held, 0, held.length)
      if (at >= 0 && at < held.length) this.#connection.hold(held, at)
    }
    this.#closeAfter = !this.#keepAlive || this.#connection.draining || !this.#body.done
  }

  #conclude(status: number, message: string, fatal: GatewayError | undefined): void {
    this.#response.status = status
    this.#response.text(message)
    this.#finish(fatal)
  }

  // ---- observation ------------------------------------------------------------------------------------------

  #observe(bytes: number): void {
    this.#startedAt = this.#server.exactNow()
    this.#bytesIn = bytes
    this.#routedMs = undefined
    this.#upstreamMs = undefined
    this.#firstByteMs = undefined
    this.#durationMs = undefined
    this.#endpoint = undefined
    this.#error = undefined
  }

  /** Milliseconds since the head; 0 when nobody asks. */
  #elapsed(): number {
    return this.#observed ? this.#server.exactNow() - this.#startedAt : 0
  }

  #follow(head: MessageHead, bytes: Buffer): void {
    const parents = head.has(TRACEPARENT) ? head.values(bytes, TRACEPARENT) : undefined
    const states = head.has(TRACESTATE) ? head.values(bytes, TRACESTATE).join(',') : undefined
    // Two of them are none (W3C Trace Context section 3.2).
    const parent = parents?.length === 1 ? parents[0] : undefined
    this.#trace = this.#server.settings.tracer?.start(this.#connection.session, parent, states)
  }

  #report(): void {
    const { hooks } = this.#server
    if (!hooks.has('request:end')) return
    const { id, listener, protocol } = this.#connection.session
    hooks.emit('request:end', {
      session: id,
      listener,
      protocol,
      key: this.#key,
      method: this.#method,
      path: pathOf(this.#text),
      status: this.#response.status,
      version: this.#minor === 0 ? '1.0' : '1.1',
      durationMs: this.#durationMs ?? this.#elapsed(),
      timing: { routedMs: this.#routedMs, upstreamMs: this.#upstreamMs, firstByteMs: this.#firstByteMs },
      bytesFromClient: this.#bytesIn,
      bytesToClient: this.#response.bytes,
      endpoint: this.#endpoint,
      error: this.#error,
      trace: this.#trace,
    })
    this.#trace = undefined
  }
}
