import { GatewayError, type Link, type LinkHandler, type Session, type Upstream as Channel } from '@proxy/kernel'
import { LF } from './bytes.ts'
import { Forwarder } from './forwarder.ts'
import { MessageHead, parseRequest } from './message.ts'
import type { HttpProtocol } from './protocol.ts'
import { malformed } from './refusals.ts'
import { Http1Request } from './request.ts'

/** One scratch head for every client connection: heads are read to the end within one call. */
const head = new MessageHead()

/** Client bytes that are kept until the request in progress is answered; then the client is paused. */
const maxHeld = 65_536
/** A request may be on its way to a connection that was in use a moment ago: a drain leaves it open for so long. */
const drainIdleMs = 1_000
const empty: Buffer = Buffer.alloc(0)

/** One HTTP/1.1 client connection. Requests are served one by one; pipelined ones wait as bytes. */
export class ClientConnection implements LinkHandler {
  readonly server: HttpProtocol
  readonly session: Session
  readonly link: Link
  readonly forwarder: Forwarder
  draining = false
  readonly #settled: PromiseWithResolvers<void>
  readonly #request: Http1Request
  #held: Buffer | undefined = undefined
  #paused = false
  /** The server's time of the last progress. */
  #active: number
  #requests = 0
  /** The link is someone else's: the kernel's, which closes it, or that of the relay or of HTTP/2. */
  #over = false

  /** `settled` is told when the connection is over; the kernel then closes the link, politely unless it is closed already. */
  constructor(server: HttpProtocol, session: Session, link: Link, settled: PromiseWithResolvers<void>) {
    this.server = server
    this.session = session
    this.link = link
    this.#settled = settled
    const client = session.client.peer.host
    const proto = session.client.tls === undefined ? 'http' : 'https'
    this.forwarder = new Forwarder(client, proto, server.settings.trusts(client))
    this.#request = new Http1Request(this)
    this.#active = server.now
  }

  start(unread: Buffer): void {
    this.session.signal.addEventListener('abort', this)
    this.link.attach(this)
    if (unread.length > 0) this.onData(this.link, unread)
    if (this.link.closed) this.onClose()
    else if (!this.#paused && !this.#over) this.link.resume()
  }

  /** The session's abort: the deadline of a drain, an operator. */
  handleEvent(): void {
    this.break(new GatewayError('PROXY_KILLED'))
  }

  /** The next response says `Connection: close`; an idle connection is closed. */
  drain(): void {
    this.draining = true
    if (this.#isIdle && this.#held === undefined && this.expired(drainIdleMs)) this.#leave(undefined)
  }

  onData(_link: Link, bytes: Buffer): void {
    // A head has so long from its first byte, however steadily it drips.
    if (!this.#isIdle || this.#held === undefined) this.touch()
    if (this.#isIdle) this.#readHeads(bytes)
    else if (this.#request.takesBody) this.#request.onClientBody(bytes)
    else this.hold(bytes, 0)
  }

  onDrain(): void {
    this.touch()
    this.#request.onClientDrain()
  }

  /** A client that ends its side has left: nobody waits for the answer (nginx and HAProxy see it the same way). */
  onEnd(): void {
    const gone = new GatewayError('PROXY_CLIENT_GONE')
    if (this.#isIdle) this.#leave(this.#requests === 0 ? gone : undefined)
    else this.break(gone)
  }

  onClose(): void {
    this.#leave(this.#isIdle && this.#requests > 0 ? undefined : new GatewayError('PROXY_CLIENT_GONE'))
  }

  sweep(): void {
    if (this.#isIdle) this.#sweepIdle()
    else this.#request.sweep()
  }

  /** The connection has made progress. */
  touch(): void {
    this.#active = this.server.now
  }

  /** Whether there has been no progress for so long. */
  expired(limitMs: number): boolean {
    return this.server.expired(this.#active, limitMs)
  }

  // ---- what the request in progress calls -------------------------------------------------------------------

  /** Keeps bytes for later. */
  hold(bytes: Buffer, at: number): void {
    const rest = bytes.subarray(at)
    this.#held = this.#held === undefined ? Buffer.from(rest) : Buffer.concat([this.#held, rest])
    if (this.#held.length > maxHeld) this.pause()
  }

  /** Removes what is kept. {@link keepRest} gives back what the request has no use for. */
  takeHeld(): Buffer {
    const held = this.#held ?? empty
    this.#held = undefined
    return held
  }

  keepRest(held: Buffer, at: number): void {
    if (this.#over) return
    if (at < held.length) this.#held = held.subarray(at)
    this.#unblock()
  }

  pause(): void {
    this.#paused = true
    this.link.pause()
  }

  resume(): void {
    if (!this.#paused || this.#over) return
    this.#paused = false
    this.link.resume()
  }

  /** The request is answered. With `close`, the connection ends with it, `error` being the reason if there is one. */
  finished(close: boolean, error: GatewayError | undefined): void {
    if (close) this.#leave(error)
    else this.#unblock()
  }

  /** Both ends speak another protocol from here on. */
  relay(channel: Channel): void {
    this.#giveAway()
    this.#await(this.session.relay(channel))
  }

  /** Ends the connection so that the client can tell that what it has is not all. */
  break(error: GatewayError): void {
    if (this.#over) return
    this.link.destroy(true)
    this.#leave(error)
  }

  // ---- heads ------------------------------------------------------------------------------------------------

  get #isIdle(): boolean {
    return this.#request.idle
  }

  #readHeads(bytes: Buffer): void {
    const max = this.server.settings.maxHeadBytes
    const held = this.#held
    if (held !== undefined) {
      // A head ends with a line feed: without one there is nothing new to be read.
      if (bytes.indexOf(LF) < 0 && held.length + bytes.length <= max) return this.hold(bytes, 0)
      this.#held = undefined
      bytes = Buffer.concat([held, bytes])
    }
    let at = 0
    while (at < bytes.length && this.#isIdle && !this.#over) {
      const end = parseRequest(head, bytes, at, bytes.length)
      if (end === 0 && bytes.length - at <= max) break
      if (end <= 0 || end - at > max) return this.#reject(bytes, at, end)
      this.#requests++
      at = this.#request.begin(head, bytes, end)
    }
    if (at < bytes.length && !this.#over) this.hold(bytes, at)
  }

  #reject(bytes: Buffer, at: number, verdict: number): void {
    if (verdict === -505 && this.#requests === 0 && this.server.takesHttp2(bytes, at)) {
      return this.#becomeHttp2(bytes.subarray(at))
    }
    if (verdict >= 0) this.#request.refuseMalformed(new GatewayError('PROXY_PEEK_OVERFLOW'), 431)
    else this.#request.refuseMalformed(malformed(head.problem), -verdict)
  }

  #becomeHttp2(bytes: Buffer): void {
    this.#giveAway()
    this.#await(this.server.serveHttp2(this.session, this.link, Buffer.from(bytes)))
  }

  #sweepIdle(): void {
    const { headTimeoutMs, keepAliveTimeoutMs } = this.server.settings
    const late = new GatewayError('PROXY_PEEK_TIMEOUT')
    if (this.#held !== undefined) {
      if (this.expired(headTimeoutMs)) this.#request.refuseMalformed(late, 408)
    } else if (this.#requests === 0) {
      if (this.expired(headTimeoutMs)) this.#leave(late)
    } else if (this.expired(this.draining ? Math.min(keepAliveTimeoutMs, drainIdleMs) : keepAliveTimeoutMs)) {
      this.#leave(undefined)
    }
  }

  /** Goes on with bytes that had to wait. */
  #unblock(): void {
    const held = this.#held
    if (this.#isIdle && held !== undefined) {
      this.#held = undefined
      this.#readHeads(held)
    }
    if (!this.#request.blocked && (this.#held === undefined || this.#held.length <= maxHeld)) this.resume()
  }

  /** The connection is over. What is written is still sent. */
  #leave(error: GatewayError | undefined): void {
    if (this.#over) return
    this.#request.abandon()
    this.#giveAway()
    this.#settle(error)
  }

  /** The session ends with whoever has the link now. */
  #await(work: Promise<unknown>): void {
    work.then(
      () => this.#settle(undefined),
      (error: unknown) => this.#settle(GatewayError.from(error)),
    )
  }

  #settle(error: GatewayError | undefined): void {
    this.server.left(this.session, error)
    if (error === undefined) this.#settled.resolve()
    else this.#settled.reject(error)
  }

  #giveAway(): void {
    this.#over = true
    this.#held = undefined
    this.link.pause()
    this.session.signal.removeEventListener('abort', this)
  }
}
