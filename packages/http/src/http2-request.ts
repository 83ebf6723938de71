import { type Backend, type Endpoint, GatewayError } from '@proxy/kernel'
import { parseTrailers } from './body.ts'
import type { Exchange } from './exchange.ts'
import { Http2Answering } from './http2-answering.ts'
import type { Http2Call } from './http2-backend.ts'
import type { Http2Connection } from './http2-connection.ts'
import type { Field } from './http2-field.ts'
import { INTERNAL_ERROR } from './http2-frames.ts'
import { type Http2Head, type Pair, safePairs, trailerPairs } from './http2-head.ts'
import type { Http2Stream, StreamHandler } from './http2-stream.ts'
import { Http2Upload } from './http2-upload.ts'
import type { MessageHead } from './message.ts'
import type { Pool } from './pool.ts'
import { malformed, statusOf } from './refusals.ts'
import { isIdempotent } from './request-line.ts'
import type { Upstream } from './upstream.ts'

const noPairs: readonly Pair[] = []

/** One request and its response, between a stream of a client and an HTTP/1.1 connection of a pool or an HTTP/2 backend. */
export class Http2Request extends Http2Answering implements Exchange, StreamHandler {
  readonly unchunks = true
  readonly upgrades = false
  /** The whole request has been handed to the backend connection. */
  sent: boolean
  /** The request has no body. */
  readonly bodiless: boolean
  /** The stream is closed. */
  over = false
  #pool: Pool | undefined = undefined
  #upstream: Upstream | undefined = undefined
  #upload: Http2Upload | undefined = undefined
  #call: Http2Call | undefined = undefined

  constructor(connection: Http2Connection, stream: Http2Stream, head: Http2Head) {
    super(connection, stream, head)
    this.sent = stream.remoteEnded
    this.bodiless = stream.remoteEnded
    stream.attach(this)
  }

  start(): void {
    const problem = this.readHead()
    if (problem !== undefined) return this.refuse(malformed(problem))
    if (this.head.method === 'CONNECT') return this.refuse(new GatewayError('PROXY_UNSUPPORTED'), 405)
    this.connection.routing.start(this)
  }

  refuseTooLarge(): void {
    this.refuse(new GatewayError('PROXY_PEEK_OVERFLOW'), 431)
  }

  /** The client's connection is gone. */
  abort(): void {
    this.#conclude(false)
  }

  sweep(): void {
    const { protocol } = this.connection
    const { requestTimeoutMs, bodyTimeoutMs } = protocol.settings
    // A call of gRPC may be silent for as long as it likes, in both directions; it brings its own deadline.
    if (this.isGrpc || (this.#upstream === undefined && this.#call === undefined && !this.stream.blocked)) return
    if (!this.sent && !this.stream.headersSent && protocol.expired(this.active, bodyTimeoutMs)) {
      this.fail(new GatewayError(this.stream.paused ? 'PROXY_BACKEND_TIMEOUT' : 'PROXY_PEEK_TIMEOUT'))
    } else if (this.sent && !this.stream.headersSent && requestTimeoutMs > 0) {
      if (protocol.expired(this.active, requestTimeoutMs)) this.#tooLate()
    } else if (this.stream.blocked && protocol.expired(this.active, bodyTimeoutMs)) this.#reset()
  }

  #tooLate(): void {
    const error = new GatewayError('PROXY_BACKEND_TIMEOUT')
    this.#upstream?.faulted(error)
    this.fail(error)
  }

  // ---- the request ------------------------------------------------------------------------------------------

  onBackend(backend: Backend): void {
    if (this.over) return
    const { protocol, session, backends } = this.connection
    this.report?.routed(false)
    const { backendHttp2 } = protocol.settings
    if (backendHttp2 === 'always' || (backendHttp2 === 'grpc' && this.isGrpc)) {
      this.touch()
      this.#call = backends.call(this, session, backend, this.key)
      return
    }
    this.#pool = protocol.pools.of(backend, session.id)
    const upstream = this.#pool.take(!this.#replayable)
    if (upstream === undefined) this.#pool.request(this, session, backend, this.key)
    else this.onUpstream(upstream)
  }

  get #replayable(): boolean {
    return this.bodiless && isIdempotent(this.head.method ?? '')
  }

  /** An HTTP/2 backend connection has room for the request. */
  onCall(endpoint: Endpoint): void {
    if (this.report === undefined) return
    this.report.endpoint = endpoint
    this.report.disconnected()
    this.report.connected()
  }

  onUpstream(upstream: Upstream): void {
    if (this.over) return upstream.pool.release(upstream)
    this.#upstream = upstream
    this.onCall(upstream.channel.endpoint)
    this.touch()
    upstream.begin(this)
    const chunked = !this.bodiless && this.head.length < 0
    const text = this.http1Head(chunked)
    if (this.bodiless) return void upstream.link.write(text)
    const upload = new Http2Upload(upstream.link, text, chunked)
    this.#upload = upload
    this.stream.resume()
    // The body is mostly right behind the head, and goes with it then.
    if (upload.waits) this.connection.later(this)
  }

  /** Sends a head that has waited for the first of its body. */
  sendHead(): void {
    if (this.#upstream !== undefined) this.#upload?.flush()
  }

  onNoUpstream(error: GatewayError): void {
    this.fail(error)
  }

  onRequestBody(bytes: Buffer, start: number, end: number): void {
    this.touch()
    if (this.report !== undefined) this.report.bytesIn += end - start
    if (this.#call !== undefined) this.#call.send(bytes, start, end)
    else if (this.#upstream !== undefined && this.#upload?.send(bytes, start, end) === false) this.stream.pause()
  }

  onRequestEnd(trailers: readonly Field[]): void {
    this.touch()
    if (this.#call !== undefined) return this.#call.sendEnd(trailerPairs(trailers))
    if (this.#upstream === undefined) return
    this.sent = true
    this.#upload?.end(trailers)
  }

  onUpstreamDrain(): void {
    this.touch()
    this.stream.resume()
  }

  // ---- the response -----------------------------------------------------------------------------------------

  onResponse(head: MessageHead, bytes: Buffer, bodyEnd: number, complete: boolean): void {
    if (this.stream.closed) return
    // The backend connection may serve someone else by now: it must not be paused for this client.
    if (complete) this.#upstream = undefined
    const empty = complete && bodyEnd === head.end
    this.respondWith(head, bytes, empty)
    if (!empty) this.#write(bytes, head.end, bodyEnd, complete)
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
    if (this.over) return
    if (!clean || !this.#replayable || upstream?.reused !== true) return this.fail(error)
    this.report?.disconnected()
    upstream.pool.request(this, this.session, upstream.pool.backend, this.key)
  }

  #write(bytes: Buffer, start: number, end: number, last: boolean): void {
    if (!this.write(bytes, start, end, last)) this.#upstream?.link.pause()
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
    if (this.over) return
    if (this.report !== undefined) this.report.error = error
    if (this.stream.headersSent) this.#reset()
    else this.refuse(error)
  }

  refuse(error: GatewayError, status: number = statusOf(error)): void {
    if (this.report !== undefined) this.report.error = error
    this.#release()
    this.sendRefusal(error, status)
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
    if (this.over) return
    this.over = true
    this.#release()
    this.#pool?.cancel(this)
    if (this.report !== undefined) this.#tell()
    this.connection.finished(this, reset)
  }

  #tell(): void {
    const { method = '', path = '' } = this.head
    this.report?.end(this.session, '2', this.key, method, path.split('?', 1)[0]!)
  }
}
