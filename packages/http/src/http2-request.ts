import { type Backend, type Endpoint, GatewayError, type RequestTrace, type Session } from '@proxy/kernel'
import { answerFields, bodyOf } from './answers.ts'
import { parseTrailers } from './body.ts'
import { latin1 } from './bytes.ts'
import type { Exchange } from './exchange.ts'
import { traceLines } from './headers.ts'
import type { Http2Call } from './http2-backend.ts'
import type { Http2Connection } from './http2-connection.ts'
import { type Field, TRACEPARENT, TRACESTATE } from './http2-field.ts'
import { INTERNAL_ERROR } from './http2-frames.ts'
import {
  forwardedFields,
  forwardedTail,
  http1Head,
  type Http2Head,
  type Pair,
  safePairs,
  trailerPairs,
  writeFields,
  writeHead,
} from './http2-head.ts'
import { callRefusalFields, refusalFields } from './http2-refusal.ts'
import type { Http2Stream, StreamHandler } from './http2-stream.ts'
import type { MessageHead } from './message.ts'
import type { HttpAnswer, HttpRequest } from './options.ts'
import type { Pool } from './pool.ts'
import { malformed, refusalOf, statusOf } from './refusals.ts'
import { isIdempotent } from './request-line.ts'
import { smallBody } from './response.ts'
import type { Upstream } from './upstream.ts'

const grpc = /^application\/grpc(?:$|[+;])/i
const noPairs: readonly Pair[] = []
const empty: Buffer = Buffer.alloc(0)

/** One request and its response, between a stream of a client and an HTTP/1.1 connection of a pool or an HTTP/2 backend. */
export class Http2Request implements Exchange, StreamHandler {
  readonly isHead: boolean
  readonly unchunks = true
  readonly upgrades = false
  /** The whole request has been handed to the backend connection. */
  sent: boolean
  readonly stream: Http2Stream
  readonly head: Http2Head
  /** The request has no body. */
  readonly bodiless: boolean
  readonly #connection: Http2Connection
  readonly #startedAt: number
  readonly #observed: boolean
  readonly #isGrpc: boolean
  #routedMs: number | undefined = undefined
  #upstreamMs: number | undefined = undefined
  #firstByteMs: number | undefined = undefined
  #endpoint: Endpoint | undefined = undefined
  #error: GatewayError | undefined = undefined
  #trace: RequestTrace | undefined = undefined
  #host = ''
  #key = ''
  #chunked = false
  /** The head for the backend, until it is sent. */
  #unsent = ''
  #pool: Pool | undefined = undefined
  #upstream: Upstream | undefined = undefined
  #call: Http2Call | undefined = undefined
  #active: number
  #status = 0
  #over = false
  #bytesIn = 0
  #bytesOut = 0

  constructor(connection: Http2Connection, stream: Http2Stream, head: Http2Head) {
    this.#connection = connection
    this.stream = stream
    this.head = head
    this.sent = stream.remoteEnded
    this.bodiless = stream.remoteEnded
    this.isHead = head.method === 'HEAD'
    this.#isGrpc = head.contentType !== '' && grpc.test(head.contentType)
    this.#active = connection.protocol.now
    this.#observed = connection.protocol.observed
    this.#startedAt = this.#observed ? connection.protocol.exactNow() : 0
    stream.attach(this)
  }

  start(): void {
    const problem = this.#read()
    if (problem !== undefined) return this.refuse(malformed(problem))
    if (this.head.method === 'CONNECT') return this.refuse(new GatewayError('PROXY_UNSUPPORTED'), 405)
    if (this.#connection.protocol.answersItself) this.#intercept()
    else this.#route()
  }

  refuseTooLarge(): void {
    this.refuse(new GatewayError('PROXY_PEEK_OVERFLOW'), 431)
  }

  /** The client's connection is gone. */
  abort(): void {
    this.#conclude(false)
  }

  sweep(): void {
    const { protocol } = this.#connection
    const { requestTimeoutMs, bodyTimeoutMs } = protocol.settings
    // A call of gRPC may be silent for as long as it likes, in both directions; it brings its own deadline.
    if (this.#isGrpc || (this.#upstream === undefined && this.#call === undefined && !this.stream.blocked)) return
    if (!this.sent && !this.stream.headersSent && protocol.expired(this.#active, bodyTimeoutMs)) {
      this.fail(new GatewayError(this.stream.paused ? 'PROXY_BACKEND_TIMEOUT' : 'PROXY_PEEK_TIMEOUT'))
    } else if (this.sent && !this.stream.headersSent && requestTimeoutMs > 0) {
      if (protocol.expired(this.#active, requestTimeoutMs)) this.#tooLate()
    } else if (this.stream.blocked && protocol.expired(this.#active, bodyTimeoutMs)) this.#reset()
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
    const { authority, problem } = this.head
    if (authority === undefined) return ':authority and Host differ'
    if (this.head.method === 'CONNECT') return undefined
    if (problem !== undefined) return problem
    const key = this.#connection.keyOf(authority)
    if (key === undefined) return ':authority'
    this.#trace = this.#follow()
    this.#host = authority
    this.#key = key
    this.#chunked = !this.bodiless && this.head.length < 0
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
    const { method = '', path: target = '' } = this.head
    const headers = forwardedFields(this.head, this.#trace !== undefined)
    return { method, target, headers, host: this.#key, client: client.peer, tls: client.tls, session: id }
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
    return this.bodiless && isIdempotent(this.head.method ?? '')
  }

  /** The request as the HTTP/2 backend gets it. */
  get forwardFields(): Pair[] {
    const tail = parseTrailers(this.#tail)
    return [...forwardedFields(this.head, this.#trace !== undefined), ...tail]
  }

  get host(): string {
    return this.#host
  }

  /** The lines that the gateway adds, and the end of the head. */
  get #tail(): string {
    const tail = forwardedTail(this.head, this.#connection.forwarder, this.#host)
    return this.#trace === undefined ? tail : traceLines(this.#trace) + tail
  }

  /** An HTTP/2 backend connection has room for the request. */
  onCall(endpoint: Endpoint): void {
    this.#endpoint = endpoint
    this.#upstreamMs = this.#elapsed()
  }

  onUpstream(upstream: Upstream): void {
    if (this.#over) return upstream.pool.release(upstream)
    this.#upstream = upstream
    this.#endpoint = upstream.channel.endpoint
    this.#upstreamMs = this.#elapsed()
    this.#active = this.#connection.protocol.now
    upstream.begin(this)
    const text = http1Head(this.head, this.#host, this.#chunked, this.#trace !== undefined, this.#tail)
    if (this.bodiless) return void upstream.link.write(text)
    this.#unsent = text
    this.stream.resume()
    // The body is mostly right behind the head, and goes with it then.
    if (this.#unsent !== '') this.#connection.later(this)
  }

  /** Sends a head that has waited for the first of its body. */
  sendHead(): void {
    const text = this.#unsent
    this.#unsent = ''
    if (text !== '') this.#upstream?.link.write(text)
  }

  onNoUpstream(error: GatewayError): void {
    this.fail(error)
  }

  onRequestBody(bytes: Buffer, start: number, end: number): void {
    this.#active = this.#connection.protocol.now
    this.#bytesIn += end - start
    if (this.#call !== undefined) this.#call.send(bytes, start, end)
    else if (this.#upstream !== undefined && !this.#forward(this.#upstream, bytes, start, end)) this.stream.pause()
  }

  /** Small chunks go in one write with what frames them. False: wait for the backend. */
  #forward({ link }: Upstream, bytes: Buffer, start: number, end: number): boolean {
    const head = this.#unsent + (this.#chunked ? `${(end - start).toString(16)}\r\n` : '')
    const tail = this.#chunked ? '\r\n' : ''
    this.#unsent = ''
    if (head.length > 0 && end - start <= smallBody) return link.write(head + latin1(bytes, start, end) + tail)
    link.write(head)
    const ready = link.write(bytes.subarray(start, end))
    return this.#chunked ? link.write(tail) : ready
  }

  onRequestEnd(trailers: readonly Field[]): void {
    this.#active = this.#connection.protocol.now
    if (this.#call !== undefined) this.#call.sendEnd(trailerPairs(trailers))
    else if (this.#upstream !== undefined) this.#forwardEnd(this.#upstream, trailers)
  }

  #forwardEnd({ link }: Upstream, trailers: readonly Field[]): void {
    this.sent = true
    this.sendHead()
    if (!this.#chunked) return
    const lines = trailerPairs(trailers).map(([name, value]) => `${name}: ${value}\r\n`)
    link.write(`0\r\n${lines.join('')}\r\n`)
  }

  onUpstreamDrain(): void {
    this.#active = this.#connection.protocol.now
    this.stream.resume()
  }

  // ---- the response -----------------------------------------------------------------------------------------

  onInterim(head: MessageHead, bytes: Buffer): void {
    if (this.stream.closed || this.stream.headersSent) return
    writeHead(this.#connection.streams, head, bytes, noPairs)
    this.#connection.streams.sendHead(this.stream, false)
  }

  onResponse(head: MessageHead, bytes: Buffer, bodyEnd: number, complete: boolean): void {
    if (this.stream.closed) return
    // The backend connection may serve someone else by now: it must not be paused for this client.
    if (complete) this.#upstream = undefined
    writeHead(this.#connection.streams, head, bytes, this.#beginResponse(head.status))
    const empty = complete && bodyEnd === head.end
    this.#sendHead(empty)
    if (!empty) this.#write(bytes, head.end, bodyEnd, complete)
  }

  /** The head of a response from elsewhere. `endStream`: that is all. */
  respond(status: number, fields: readonly Pair[], endStream: boolean): void {
    if (this.stream.closed) return
    const added = this.#beginResponse(status)
    writeFields(this.#connection.streams, status, added.length === 0 ? fields : [...fields, ...added])
    this.#sendHead(endStream)
  }

  interim(status: number, fields: readonly Pair[]): void {
    if (this.stream.closed || this.stream.headersSent) return
    writeFields(this.#connection.streams, status, fields)
    this.#connection.streams.sendHead(this.stream, false)
  }

  /** Returns what the gateway adds to the head. */
  #beginResponse(status: number): readonly Pair[] {
    const { protocol, session } = this.#connection
    this.#active = protocol.now
    this.#firstByteMs = this.#endpoint === undefined ? undefined : this.#elapsed()
    this.#status = status
    if (!protocol.settings.telemetryHeaders) return noPairs
    return [
      ['x-proxy-session', session.id],
      ['x-proxy-key', this.#key],
      ['x-proxy-duration-ms', String(Math.round((protocol.exactNow() - this.#startedAt) * 1_000) / 1_000)],
    ]
  }

  #sendHead(last: boolean): void {
    this.#connection.streams.sendHead(this.stream, last)
    this.stream.headersSent = true
    if (last) this.stream.endedWithHead()
  }

  onBody(bytes: Buffer, start: number, end: number, complete: boolean): void {
    const trailers = complete ? safePairs(parseTrailers(this.#upstream?.trailers ?? '')) : noPairs
    if (complete) this.#upstream = undefined
    this.#write(bytes, start, end, complete && trailers.length === 0)
    if (trailers.length > 0) this.stream.end(trailers)
  }

  onPayload(bytes: Buffer, start: number, end: number): void {
    this.#write(bytes, start, end, false)
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

  #write(bytes: Buffer, start: number, end: number, last: boolean): void {
    if (!this.write(bytes, start, end, last)) this.#upstream?.link.pause()
  }

  /** Borrowed bytes of the response body, `last` with its end. False: `resume` is called when the client takes more. */
  write(bytes: Buffer, start: number, end: number, last: boolean): boolean {
    this.#active = this.#connection.protocol.now
    this.#bytesOut += end - start
    return (end === start && !last) || this.stream.write(bytes, start, end, last)
  }

  /** There has been progress. */
  touch(): void {
    this.#active = this.#connection.protocol.now
  }

  onProgress(): void {
    this.touch()
  }

  onDrain(): void {
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
    this.#status = status
    if (this.#isGrpc) return this.#send(200, callRefusalFields(error, status), empty)
    const refusal = refusalOf(error, this.head.accept, status)
    this.#send(status, refusalFields(refusal), Buffer.from(refusal.body))
  }

  #answer(answer: HttpAnswer): void {
    const status = answer.status ?? 200
    const fields = [...answerFields(answer), ...this.#beginResponse(status)]
    this.#send(status, fields, status === 204 || status === 304 ? empty : bodyOf(answer))
  }

  /** A whole response of our own. */
  #send(status: number, fields: readonly Pair[], body: Buffer): void {
    // Nobody reads the request any more; what has come of it makes room for other streams.
    this.stream.resume()
    if (this.stream.closed) return
    const bodiless = this.isHead || body.length === 0
    writeFields(this.#connection.streams, status, fields)
    this.#sendHead(bodiless)
    if (!bodiless) this.write(body, 0, body.length, true)
  }

  #reset(): void {
    this.#release()
    this.stream.reset(INTERNAL_ERROR)
  }

  #release(): void {
    const upstream = this.#upstream
    this.#upstream = undefined
    upstream?.abandon()
    this.#call?.cancel()
    this.#call = undefined
  }

  onClosed(): void {
    this.#conclude(!this.stream.headersSent)
  }

  /** `reset`: before there was an answer. */
  #conclude(reset: boolean): void {
    if (this.#over) return
    this.#over = true
    this.#release()
    this.#pool?.cancel(this)
    this.#report()
    this.#connection.finished(this, reset)
  }

  /** Milliseconds since the head; 0 when nobody asks. */
  #elapsed(): number {
    return this.#observed ? this.#connection.protocol.exactNow() - this.#startedAt : 0
  }

  #follow(): RequestTrace | undefined {
    const { protocol, session } = this.#connection
    const { tracer } = protocol.settings
    if (tracer === undefined) return undefined
    // Two of them are none (W3C Trace Context section 3.2): none may hold the comma.
    const parents = this.head.values(TRACEPARENT)
    const states = this.head.values(TRACESTATE)
    return tracer.start(session, joined(parents), joined(states))
  }

  #report(): void {
    const { protocol, session } = this.#connection
    if (!protocol.hooks.has('request:end')) return
    protocol.hooks.emit('request:end', {
      session: session.id,
      listener: session.listener,
      protocol: session.protocol,
      key: this.#key,
      method: this.head.method ?? '',
      path: (this.head.path ?? '').split('?', 1)[0]!,
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

const joined = (values: readonly string[]): string | undefined => (values.length === 0 ? undefined : values.join(','))
