import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { type Backend, type Endpoint, GatewayError, type RequestTrace, type Session } from '@proxy/kernel'
import { answerFields, bodyOf } from './answers.ts'
import { parseTrailers } from './body.ts'
import type { Exchange } from './exchange.ts'
import { keyOf } from './host.ts'
import { traceLines } from './headers.ts'
import type { Http2Connection } from './http2.ts'
import type { Http2Call } from './http2-backend.ts'
import {
  authorityOf,
  forwardedFields,
  forwardedTail,
  http1Head,
  http2Head,
  problemOf,
  toHeaders,
} from './http2-head.ts'
import type { MessageHead } from './message.ts'
import type { HttpAnswer, HttpRequest } from './options.ts'
import type { Pool } from './pool.ts'
import { refuseCall, refuseStream } from './http2-refusal.ts'
import { malformed, refusalOf, statusOf } from './refusals.ts'
import { isIdempotent } from './request-line.ts'
import type { Upstream } from './upstream.ts'

/** One stream of a client: a request and its response, over an HTTP/1.1 connection of a pool or an HTTP/2 backend. */
export class Http2Request implements Exchange {
  readonly isHead: boolean
  readonly unchunks = true
  readonly upgrades = false
  /** The whole request has been handed to the backend connection. */
  sent: boolean
  readonly stream: ServerHttp2Stream
  readonly headers: IncomingHttpHeaders
  /** Those behind the request body. */
  requestTrailers: [string, string][] = []
  readonly #connection: Http2Connection
  readonly #startedAt: number
  readonly #observed: boolean
  #routedMs: number | undefined = undefined
  #upstreamMs: number | undefined = undefined
  #firstByteMs: number | undefined = undefined
  #endpoint: Endpoint | undefined = undefined
  #error: GatewayError | undefined = undefined
  #trace: RequestTrace | undefined = undefined
  readonly #isGrpc: boolean
  /** The request has no body. */
  readonly #bodiless: boolean
  #host = ''
  #key = ''
  #fields: [string, string][] = []
  #chunked = false
  #pool: Pool | undefined = undefined
  #upstream: Upstream | undefined = undefined
  #call: Http2Call | undefined = undefined
  #active: number
  #status = 0
  #over = false
  #bytesIn = 0
  #bytesOut = 0

  constructor(connection: Http2Connection, stream: ServerHttp2Stream, headers: IncomingHttpHeaders, ended: boolean) {
    this.#connection = connection
    this.stream = stream
    this.headers = headers
    this.sent = ended
    this.#bodiless = ended
    this.isHead = headers[':method'] === 'HEAD'
    this.#isGrpc = /^application\/grpc(?:$|[+;])/i.test(headers['content-type'] ?? '')
    this.#active = connection.protocol.now
    this.#observed = connection.protocol.observed
    this.#startedAt = this.#observed ? connection.protocol.exactNow() : 0
  }

  start(): void {
    const { stream } = this
    // The reset of one stream is no fault of the gateway's; 'close' follows.
    stream.on('error', () => {})
    stream.once('close', () => this.#closed())
    stream.on('drain', () => this.#drained())
    stream.on('trailers', (trailers) => {
      this.requestTrailers = forwardedFields(trailers, false) ?? []
    })
    const problem = this.#read()
    if (problem !== undefined) return this.refuse(malformed(problem))
    if (this.headers[':method'] === 'CONNECT') return this.refuse(new GatewayError('PROXY_UNSUPPORTED'), 405)
    if (this.#connection.protocol.answersItself) this.#intercept()
    else this.#route()
  }

  /** The client's connection is gone. */
  abort(): void {
    if (this.#over) return
    this.#over = true
    this.#upstream?.abandon()
    this.#upstream = undefined
    this.#call?.cancel()
    this.#pool?.cancel(this)
    this.#report()
    this.#connection.finished(this, false)
  }

  sweep(): void {
    const { protocol } = this.#connection
    const { requestTimeoutMs, bodyTimeoutMs } = protocol.settings
    // A call of gRPC may be silent for as long as it likes, in both directions; it brings its own deadline.
    if (this.#isGrpc || (this.#upstream === undefined && this.#call === undefined)) return
    if (!this.sent && !this.stream.headersSent && protocol.expired(this.#active, bodyTimeoutMs)) {
      this.fail(new GatewayError(this.stream.isPaused() ? 'PROXY_BACKEND_TIMEOUT' : 'PROXY_PEEK_TIMEOUT'))
    } else if (this.sent && !this.stream.headersSent && requestTimeoutMs > 0) {
      if (protocol.expired(this.#active, requestTimeoutMs)) this.#tooLate()
    } else if (this.stream.writableNeedDrain && protocol.expired(this.#active, bodyTimeoutMs)) this.#reset()
  }

  #tooLate(): void {
    const error = new GatewayError('PROXY_BACKEND_TIMEOUT')
    this.#upstream?.faulted(error)
    this.fail(error)
  }

  get session(): Session {
    return this.#connection.session
  }

  // ---- the request ------------------------------------------------------------------------------------------

  /** Reads the head. A string says what is wrong with it. */
  #read(): string | undefined {
    const authority = authorityOf(this.headers)
    if (authority === undefined) return ':authority and Host differ'
    if (this.headers[':method'] === 'CONNECT') return undefined
    const problem = problemOf(this.headers)
    if (problem !== undefined) return problem
    const key = keyOf(authority)
    this.#trace = this.#follow()
    const fields = forwardedFields(this.headers, this.#trace !== undefined)
    if (key === undefined) return ':authority'
    if (fields === undefined) return 'header'
    this.#host = authority
    this.#key = key
    this.#fields = fields
    this.#chunked = !this.sent && this.headers['content-length'] === undefined
    return undefined
  }

  #intercept(): void {
    const { directResponse, onRequest } = this.#connection.protocol.settings
    if (directResponse !== undefined) return this.#answer(directResponse)
    if (onRequest === undefined) return this.#route()
    try {
      const answer = onRequest(this.#describe())
      if (answer instanceof Promise) answer.then(this.#intercepted.bind(this), this.#failed.bind(this))
      else this.#intercepted(answer)
    } catch (error) {
      this.#failed(error)
    }
  }

  #intercepted(answer: HttpAnswer | undefined): void {
    if (this.#over) return
    if (answer === undefined) this.#route()
    else this.#answer(answer)
  }

  #failed(error: unknown): void {
    this.fail(GatewayError.from(error))
  }

  #describe(): HttpRequest {
    const { client, id } = this.#connection.session
    const { ':method': method = '', ':path': target = '' } = this.headers
    return { method, target, headers: this.#fields, host: this.#key, client: client.peer, tls: client.tls, session: id }
  }

  #route(): void {
    const { protocol, session } = this.#connection
    try {
      if (this.#key === '' && !protocol.fixed) throw new GatewayError('PROXY_NO_KEY')
      const backend = protocol.resolve(session, this.#key)
      if (backend instanceof Promise) backend.then(this.#routed.bind(this), this.#failed.bind(this))
      else this.#routed(backend)
    } catch (error) {
      this.#failed(error)
    }
  }

  #routed(backend: Backend): void {
    if (this.#over) return
    const { protocol, session, backends } = this.#connection
    this.#routedMs = this.#elapsed()
    const { backendHttp2 } = protocol.settings
    if (backendHttp2 === 'always' || (backendHttp2 === 'grpc' && this.#isGrpc)) {
      this.#active = protocol.now
      this.#call = backends.call(this, session, backend, this.#key)
      return
    }
    this.#pool = protocol.pools.of(backend, session.id)
    const upstream = this.#pool.take(!this.#replayable)
    if (upstream === undefined) this.#pool.request(this, session, backend, this.#key)
    else this.onUpstream(upstream)
  }

  get #replayable(): boolean {
    return this.#bodiless && isIdempotent(this.headers[':method'] ?? '')
  }

  /** The request as the HTTP/2 backend gets it. */
  get forwardHeaders(): OutgoingHttpHeaders {
    const { ':method': method, ':path': path } = this.headers
    const tail = parseTrailers(this.#tail)
    return {
      ':method': method ?? 'GET',
      ':scheme': 'http',
      ':path': path ?? '/',
      ':authority': this.#host,
      ...toHeaders([...this.#fields, ...tail]),
    }
  }

  /** The lines that the gateway adds, and the end of the head. */
  get #tail(): string {
    const tail = forwardedTail(this.headers, this.#connection.forwarder, this.#host)
    return this.#trace === undefined ? tail : traceLines(this.#trace) + tail
  }

  /** An HTTP/2 backend connection has room for the request. */
  onCall(endpoint: Endpoint): void {
    this.#endpoint = endpoint
    this.#upstreamMs = this.#elapsed()
  }

  get bodiless(): boolean {
    return this.#bodiless
  }

  onUpstream(upstream: Upstream): void {
    if (this.#over) return upstream.pool.release(upstream)
    this.#upstream = upstream
    this.#endpoint = upstream.channel.endpoint
    this.#upstreamMs = this.#elapsed()
    this.#active = this.#connection.protocol.now
    upstream.begin(this)
    upstream.link.write(http1Head(this.headers, this.#fields, this.#host, this.#chunked, this.#tail))
    if (this.#bodiless) return
    this.stream.on('data', (chunk: Buffer) => this.#sendChunk(chunk))
    this.stream.once('end', () => this.#sendEnd())
  }

  onNoUpstream(error: GatewayError): void {
    this.fail(error)
  }

  #sendChunk(chunk: Buffer): void {
    const link = this.#upstream?.link
    this.#active = this.#connection.protocol.now
    this.#bytesIn += chunk.length
    if (link === undefined || chunk.length === 0) return
    if (this.#chunked) link.write(`${chunk.length.toString(16)}\r\n`)
    let ready = link.write(chunk)
    if (this.#chunked) ready = link.write('\r\n')
    if (!ready) this.stream.pause()
  }

  #sendEnd(): void {
    if (this.#upstream === undefined) return
    this.sent = true
    this.#active = this.#connection.protocol.now
    if (!this.#chunked) return
    const lines = this.requestTrailers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    this.#upstream.link.write(`0\r\n${lines}\r\n`)
  }

  onUpstreamDrain(): void {
    this.#active = this.#connection.protocol.now
    this.stream.resume()
  }

  // ---- the response -----------------------------------------------------------------------------------------

  onInterim(head: MessageHead, bytes: Buffer): void {
    if (this.stream.destroyed || this.stream.headersSent) return
    this.stream.additionalHeaders(http2Head(head, bytes))
  }

  onResponse(head: MessageHead, bytes: Buffer, bodyEnd: number, complete: boolean): void {
    if (this.stream.destroyed) return
    const headers = http2Head(head, bytes)
    const empty = complete && bodyEnd === head.end
    this.respond(headers, empty, head.chunked && !complete)
    if (complete) this.#upstream = undefined
    if (!empty && bodyEnd > head.end) this.#write(bytes, head.end, bodyEnd)
    if (complete && !empty) this.stream.end()
  }

  /** `endStream`: that is all. `trailed`: trailers may follow the body. */
  respond(headers: OutgoingHttpHeaders, endStream: boolean, trailed: boolean): void {
    const { protocol, session } = this.#connection
    this.#active = protocol.now
    this.#firstByteMs = this.#endpoint === undefined ? undefined : this.#elapsed()
    this.#status = Number(headers[':status'])
    if (protocol.settings.telemetryHeaders) {
      headers['x-proxy-session'] = session.id
      headers['x-proxy-key'] = this.#key
      headers['x-proxy-duration-ms'] = String(Math.round((protocol.exactNow() - this.#startedAt) * 1_000) / 1_000)
    }
    this.stream.respond(headers, { endStream, waitForTrailers: trailed && !endStream })
    if (trailed && !endStream) this.stream.once('wantTrailers', () => this.#sendTrailers())
  }

  /** Trailers of the response, for when the stream asks for them. */
  trailers: OutgoingHttpHeaders | undefined = undefined

  #sendTrailers(): void {
    // Without any, the stream still has to be ended: `close` would reset it.
    if (!this.stream.destroyed) this.stream.sendTrailers(this.trailers ?? {})
  }

  onBody(bytes: Buffer, start: number, end: number, complete: boolean): void {
    const trailers = complete ? parseTrailers(this.#upstream?.trailers ?? '') : []
    // The backend connection may serve someone else by now: it must not be paused for this client.
    if (complete) this.#upstream = undefined
    if (end > start) this.#write(bytes, start, end)
    if (!complete) return
    if (trailers.length > 0) this.trailers = toHeaders(trailers)
    this.stream.end()
  }

  onPayload(bytes: Buffer, start: number, end: number): void {
    this.#write(bytes, start, end)
  }

  onSwitch(): void {
    this.#reset()
  }

  onUpstreamFailure(error: GatewayError, clean: boolean): void {
    const upstream = this.#upstream
    this.#upstream = undefined
    if (this.#over) return
    if (!clean || !this.#replayable || upstream?.reused !== true) return this.fail(error)
    upstream.pool.request(this, this.#connection.session, upstream.pool.backend, this.#key)
  }

  /** A borrowed chunk of the response body. */
  #write(bytes: Buffer, start: number, end: number): void {
    if (end > start && !this.write(Buffer.from(bytes.subarray(start, end)))) this.#upstream?.link.pause()
  }

  /** False: wait for `drain`. */
  write(bytes: Buffer): boolean {
    this.#active = this.#connection.protocol.now
    this.#bytesOut += bytes.length
    return this.stream.destroyed || this.stream.write(bytes)
  }

  touch(): void {
    this.#active = this.#connection.protocol.now
  }

  #drained(): void {
    this.touch()
    this.#upstream?.link.resume()
    this.#call?.resume()
  }

  // ---- the end ----------------------------------------------------------------------------------------------

  /** Refuses, or breaks the stream off when an answer has begun. */
  fail(error: GatewayError): void {
    if (this.#over) return
    this.#error = error
    if (this.stream.headersSent) this.#reset()
    else this.refuse(error)
  }

  refuse(error: GatewayError, status: number = statusOf(error)): void {
    this.#error = error
    this.#release()
    if (this.stream.destroyed) return
    const { accept = '' } = this.headers
    this.#status = status
    if (this.#isGrpc) refuseCall(this.stream, error, status)
    else refuseStream(this.stream, refusalOf(error, accept, status), this.isHead)
    this.#discardRequest()
  }

  #answer(answer: HttpAnswer): void {
    const status = answer.status ?? 200
    const body = bodyOf(answer)
    const bodiless = this.isHead || status === 204 || status === 304 || body.length === 0
    const headers = { ':status': status, ...toHeaders(answerFields(answer)) }
    this.respond(headers, bodiless, false)
    if (!bodiless) this.stream.end(body)
    this.#discardRequest()
  }

  /** Nobody reads the rest of the request: behind the answer the client is told so (RFC 9113 section 8.1). */
  #discardRequest(): void {
    if (this.#bodiless) return
    this.stream.resume()
    this.stream.once('finish', () => {
      if (!this.stream.readableEnded) this.stream.close(constants.NGHTTP2_NO_ERROR)
    })
  }

  /** `close` would end the stream properly first, and what was cut short would look complete. */
  #reset(): void {
    this.#release()
    this.stream.destroy(new Error('broken off'))
  }

  #release(): void {
    const upstream = this.#upstream
    this.#upstream = undefined
    upstream?.abandon()
    this.#call?.cancel()
    this.#call = undefined
  }

  #closed(): void {
    if (this.#over) return
    this.#over = true
    this.#release()
    this.#pool?.cancel(this)
    this.#report()
    this.#connection.finished(this, !this.stream.headersSent)
  }

  /** Milliseconds since the head; 0 when nobody asks. */
  #elapsed(): number {
    return this.#observed ? this.#connection.protocol.exactNow() - this.#startedAt : 0
  }

  #follow(): RequestTrace | undefined {
    const { protocol, session } = this.#connection
    const { traceparent, tracestate } = this.headers
    // Two of them are none (W3C Trace Context section 3.2); node:http2 joins them with commas, which none may hold.
    return protocol.settings.tracer?.start(session, textOf(traceparent), textOf(tracestate))
  }

  #report(): void {
    const { protocol, session } = this.#connection
    if (!protocol.hooks.has('request:end')) return
    protocol.hooks.emit('request:end', {
      session: session.id,
      listener: session.listener,
      protocol: session.protocol,
      key: this.#key,
      method: this.headers[':method'] ?? '',
      path: (this.headers[':path'] ?? '').split('?', 1)[0]!,
      status: this.#status,
      version: '2',
      durationMs: protocol.exactNow() - this.#startedAt,
      timing: { routedMs: this.#routedMs, upstreamMs: this.#upstreamMs, firstByteMs: this.#firstByteMs },
      bytesFromClient: this.#bytesIn,
      bytesToClient: this.#bytesOut,
      endpoint: this.#endpoint,
      error: this.#error,
      trace: this.#trace,
    })
  }
}

const textOf = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.join(',') : value
