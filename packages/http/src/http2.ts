import { performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream, constants } from 'node:http2'
import type { IncomingHttpHeaders } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { Link, Session } from '@proxy/kernel'
import { Http2Backends } from './http2-backend.ts'
import { Http2Request } from './http2-request.ts'
import { Forwarder } from './forwarder.ts'
import type { HttpProtocol, Served } from './protocol.ts'

/** The highest stream id: a GOAWAY with it announces the end and still lets streams through that are on their way. */
const everyStream = 0x7fffffff
/** Streams that may be reset before they are answered, whoever caused it, until a client is told to calm down: so many at once ... */
const resetBurst = 100
/** ... and so many more each second (CVE-2023-44487, CVE-2025-8671). */
const resetsPerSecond = 20
/** How long streams that crossed the first GOAWAY may take to arrive. */
const goawayMs = 1_000
const initialWindow = 262_144
const sessionWindow = 1_048_576

/** HTTP/2 towards clients; what it serves goes to the same pools as HTTP/1.1, and gRPC to backends that speak HTTP/2. */
export class Http2Side {
  readonly backends: Http2Backends
  readonly #protocol: HttpProtocol

  constructor(protocol: HttpProtocol) {
    this.#protocol = protocol
    this.backends = new Http2Backends(protocol)
  }

  /** Serves a connection to its end. `unread` begins with the client's preface. */
  serve(session: Session, link: Link, unread: Buffer): { served: Served; ended: Promise<void> } {
    const { settings } = this.#protocol
    // A TLS socket that was not made by Node's own server goes on saying that it connects, and HTTP/2 would wait for it.
    const socket: Duplex & { secureConnecting?: boolean } = link.socket(unread)
    if (socket.secureConnecting === true) socket.secureConnecting = false
    const http2 = performServerHandshake(socket, {
      maxSessionInvalidFrames: 100,
      maxSessionRejectedStreams: 100,
      maxHeaderListPairs: 128,
      settings: {
        maxConcurrentStreams: settings.maxConcurrentStreams,
        maxHeaderListSize: settings.maxHeadBytes,
        initialWindowSize: initialWindow,
        enableConnectProtocol: false,
        enablePush: false,
      },
    })
    const served = new Http2Connection(this.#protocol, this.backends, session, http2)
    const ended = new Promise<void>((resolve) => {
      http2.once('close', () => {
        served.closed()
        link.destroy()
        resolve()
      })
    })
    return { served, ended }
  }

  sweep(): void {
    this.backends.sweep()
  }

  close(): void {
    this.backends.close()
  }
}

/** One HTTP/2 client connection. */
export class Http2Connection implements Served {
  readonly protocol: HttpProtocol
  readonly backends: Http2Backends
  readonly session: Session
  readonly forwarder: Forwarder
  readonly #http2: ServerHttp2Session
  readonly #requests = new Set<Http2Request>()
  #active: number
  #served = 0
  #resets = 0
  #goawayAt: number | undefined = undefined

  constructor(protocol: HttpProtocol, backends: Http2Backends, session: Session, http2: ServerHttp2Session) {
    this.protocol = protocol
    this.backends = backends
    this.session = session
    this.#http2 = http2
    const client = session.client.peer.host
    const proto = session.client.tls === undefined ? 'http' : 'https'
    this.forwarder = new Forwarder(client, proto, protocol.settings.trusts(client))
    this.#active = protocol.now
    session.signal.addEventListener('abort', this)
    // Errors of the connection end it; 'close' follows.
    http2.on('error', () => {})
    http2.once('localSettings', () => http2.setLocalWindowSize(sessionWindow))
    http2.on('stream', (stream, headers, flags) => this.#begin(stream, headers, flags))
  }

  /** The session's abort. */
  handleEvent(): void {
    this.#http2.destroy()
  }

  closed(): void {
    this.session.signal.removeEventListener('abort', this)
    for (const request of this.#requests) request.abort()
  }

  /** Two GOAWAYs (RFC 9113 section 6.8): the second waits until streams under way have arrived. */
  drain(): void {
    if (this.#goawayAt !== undefined || this.#http2.destroyed) return
    this.#goawayAt = this.protocol.now
    this.#http2.goaway(constants.NGHTTP2_NO_ERROR, everyStream)
    this.#http2.ping(() => this.#leave())
  }

  sweep(): void {
    const { protocol } = this
    const { keepAliveTimeoutMs, headTimeoutMs } = protocol.settings
    const restMs = this.#served === 0 ? headTimeoutMs : keepAliveTimeoutMs
    this.#resets = Math.max(0, this.#resets - resetsPerSecond * protocol.periodSeconds)
    if (this.#goawayAt !== undefined && protocol.expired(this.#goawayAt, goawayMs)) this.#leave()
    if (this.#requests.size === 0 && protocol.expired(this.#active, restMs)) this.#leave()
    for (const request of this.#requests) request.sweep()
  }

  /** A request is over. `reset`: before there was an answer. */
  finished(request: Http2Request, reset: boolean): void {
    this.#requests.delete(request)
    this.#active = this.protocol.now
    if (!reset || ++this.#resets <= resetBurst || this.#http2.destroyed) return
    this.#http2.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM)
    this.#http2.destroy()
  }

  #leave(): void {
    if (!this.#http2.closed && !this.#http2.destroyed) this.#http2.close()
  }

  #begin(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number): void {
    this.#active = this.protocol.now
    this.#served++
    const request = new Http2Request(this, stream, headers, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0)
    this.#requests.add(request)
    request.start()
  }
}
