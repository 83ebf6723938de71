import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2'
import { type Backend, type Endpoint, GatewayError, type Session, type Upstream } from '@proxy/kernel'
import { type Pair, pairsOf, toHeaders } from './http2-head.ts'
import type { Http2Request } from './http2-request.ts'
import type { HttpProtocol } from './protocol.ts'

/** Streams of one backend connection before another is opened. */
const streamsPerConnection = 100

/** One HTTP/2 connection to a backend, by prior knowledge. */
class Http2Backend {
  readonly http2: ClientHttp2Session
  readonly endpoint: Endpoint
  streams = 0
  idleSince: number
  readonly #protocol: HttpProtocol

  constructor(protocol: HttpProtocol, upstream: Upstream, onClose: (backend: Http2Backend) => void) {
    const { link, unread } = upstream.detach()
    this.#protocol = protocol
    this.endpoint = upstream.endpoint
    this.idleSince = protocol.now
    this.http2 = connect('http://backend', {
      createConnection: () => link.socket(unread),
      settings: { enablePush: false, initialWindowSize: 262_144 },
    })
    this.http2.on('error', () => {})
    this.http2.on('goaway', () => this.http2.close())
    this.http2.on('close', () => {
      link.destroy()
      onClose(this)
    })
  }

  get usable(): boolean {
    if (this.http2.closed || this.http2.destroyed) return false
    return this.streams < Math.min(streamsPerConnection, this.http2.remoteSettings?.maxConcurrentStreams ?? 100)
  }

  /** A slot is taken before the stream exists, so that many requests at once do not overfill a connection. */
  reserve(): this {
    this.streams++
    return this
  }

  release(): void {
    this.streams--
    this.idleSince = this.#protocol.now
  }
}

/** The connections to one backend, and the dial that others may wait for. */
class Http2Pool {
  readonly connections: Http2Backend[] = []
  dialling: Promise<Http2Backend> | undefined = undefined
}

/** HTTP/2 connections to backends that speak nothing else: gRPC servers. */
export class Http2Backends {
  readonly #protocol: HttpProtocol
  readonly #pools = new Map<string, Http2Pool>()

  constructor(protocol: HttpProtocol) {
    this.#protocol = protocol
  }

  call(request: Http2Request, session: Session, backend: Backend, key: string): Http2Call {
    return new Http2Call(request, () => this.#connection(session, backend, key))
  }

  sweep(): void {
    const { now, poolIdleTimeoutMs } = this.#protocol
    for (const [id, pool] of this.#pools) {
      for (const connection of pool.connections) {
        if (connection.streams === 0 && now - connection.idleSince > poolIdleTimeoutMs) connection.http2.close()
      }
      if (pool.connections.length === 0 && pool.dialling === undefined) this.#pools.delete(id)
    }
  }

  close(): void {
    for (const pool of this.#pools.values()) for (const { http2 } of pool.connections) http2.close()
  }

  async #connection(session: Session, backend: Backend, key: string): Promise<Http2Backend> {
    const id = backend.proxyProtocol === 0 ? backend.id : `${backend.id} ${session.id}`
    let pool = this.#pools.get(id)
    if (pool === undefined) this.#pools.set(id, (pool = new Http2Pool()))
    const known = pool.connections.find((connection) => connection.usable)
    if (known !== undefined) return known.reserve()
    // A dial belongs to the session that began it: whoever else waits for it tries again when that client has left.
    const shared = await pool.dialling?.catch(() => undefined)
    if (shared?.usable === true) return shared.reserve()
    pool.dialling ??= this.#dial(pool, session, backend, key)
    const dialled = await pool.dialling
    return dialled.usable ? dialled.reserve() : this.#connection(session, backend, key)
  }

  async #dial(pool: Http2Pool, session: Session, backend: Backend, key: string): Promise<Http2Backend> {
    try {
      const upstream = await session.dial(backend, key)
      const connection = new Http2Backend(this.#protocol, upstream, (closed) => {
        pool.connections.splice(pool.connections.indexOf(closed), 1)
      })
      pool.connections.push(connection)
      return connection
    } finally {
      pool.dialling = undefined
    }
  }
}

/** One request on an HTTP/2 backend connection: headers, data and trailers both ways, with backpressure. */
export class Http2Call {
  readonly #request: Http2Request
  readonly #acquire: () => Promise<Http2Backend>
  #stream: ClientHttp2Stream | undefined = undefined
  #cancelled = false
  #trailers: readonly Pair[] = []
  #requestTrailers: readonly Pair[] = []
  #attempts = 0

  constructor(request: Http2Request, acquire: () => Promise<Http2Backend>) {
    this.#request = request
    this.#acquire = acquire
    void this.#start()
  }

  /** The client takes bytes again. */
  resume(): void {
    this.#stream?.resume()
  }

  cancel(): void {
    this.#cancelled = true
    const stream = this.#stream
    if (stream === undefined || stream.destroyed) return
    // `close` would end a request that is under way properly first, and what was cut short would look complete.
    if (stream.writableEnded) stream.close(constants.NGHTTP2_CANCEL)
    else stream.destroy(new Error('cancelled'))
  }

  async #start(): Promise<void> {
    this.#attempts++
    try {
      const connection = await this.#acquire()
      if (this.#cancelled) connection.release()
      else this.#open(connection)
    } catch (error) {
      if (!this.#cancelled) this.#request.fail(GatewayError.from(error, 'PROXY_DIAL_UNREACHABLE'))
    }
  }

  #open(connection: Http2Backend): void {
    const request = this.#request
    const { bodiless } = request
    request.onCall(connection.endpoint)
    const stream = this.#ask(connection)
    this.#stream = stream
    stream.on('error', () => {})
    stream.once('close', () => {
      connection.release()
      this.#closed(stream)
    })
    stream.on('headers', (headers) => request.interim(Number(headers[':status']), pairsOf(headers)))
    stream.once('response', (headers, flags) => this.#respond(stream, headers, flags))
    stream.on('trailers', (trailers) => {
      this.#trailers = pairsOf(trailers)
    })
    if (!bodiless) this.#sendBody(stream)
  }

  #ask(connection: Http2Backend): ClientHttp2Stream {
    const { bodiless, head, host } = this.#request
    const fields = toHeaders(this.#request.forwardFields)
    try {
      return connection.http2.request(
        { ':method': head.method, ':scheme': 'http', ':path': head.path, ':authority': host, ...fields },
        { endStream: bodiless, waitForTrailers: !bodiless },
      )
    } catch (error) {
      // node:http2 refuses to send what it would refuse to read, as two fields of which there may be one.
      connection.release()
      throw error
    }
  }

  #sendBody(stream: ClientHttp2Stream): void {
    const request = this.#request
    stream.on('drain', () => {
      request.touch()
      request.stream.resume()
    })
    stream.once('wantTrailers', () => stream.sendTrailers(toHeaders(this.#requestTrailers)))
    request.stream.resume()
  }

  /** Borrowed bytes of the request body. */
  send(bytes: Buffer, start: number, end: number): void {
    const stream = this.#stream
    if (stream === undefined || stream.destroyed) return
    if (!stream.write(Buffer.from(bytes.subarray(start, end)))) this.#request.stream.pause()
  }

  sendEnd(trailers: readonly Pair[]): void {
    this.#request.sent = true
    this.#requestTrailers = trailers
    this.#stream?.end()
  }

  #respond(stream: ClientHttp2Stream, headers: IncomingHttpHeaders, flags: number): void {
    const request = this.#request
    if (request.stream.closed) return
    const ended = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
    request.respond(Number(headers[':status']), pairsOf(headers), ended)
    if (ended) return
    stream.on('data', (chunk: Buffer) => {
      if (!request.write(chunk, 0, chunk.length, false)) stream.pause()
    })
    stream.once('end', () => request.stream.end(this.#trailers))
  }

  #closed(stream: ClientHttp2Stream): void {
    if (this.#cancelled || this.#request.stream.headersSent) {
      if (!this.#cancelled && stream.rstCode !== constants.NGHTTP2_NO_ERROR) {
        this.#request.fail(new GatewayError('PROXY_BACKEND_CLOSED'))
      }
      return
    }
    // A refused stream was not looked at (RFC 9113 section 8.7), so it may be sent again.
    const refused = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM && this.#request.bodiless
    if (refused && this.#attempts < 3) void this.#start()
    else this.#request.fail(new GatewayError('PROXY_BACKEND_CLOSED'))
  }
}
