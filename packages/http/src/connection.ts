import { latin1 } from './bytes.ts'
import { type Backend, GatewayError, type Link, type LinkHandler, type Session } from '@proxy/kernel'
import { BodyFraming } from './body.ts'
import type { Exchange } from './exchange.ts'
import { Forwarder } from './forwarder.ts'
import { isVerbatim, requestHead, responseHead } from './headers.ts'
import { keyOf } from './host.ts'
import { MessageHead, parseRequest } from './message.ts'
import type { HttpAnswer } from './options.ts'
import type { Pool } from './pool.ts'
import { malformed, refusalMessage, refusalOf, statusOf } from './refusals.ts'
import { answerMessage, describeRequest } from './answers.ts'
import { fieldOf, isIdempotent, readTarget } from './request-line.ts'
import type { HttpProtocol } from './protocol.ts'
import type { Upstream } from './upstream.ts'
import { isUpgrade } from './upgrade.ts'

/** One scratch head for every client connection: heads are read to the end within one call. */
const head = new MessageHead()

/** A head and a body up to this size leave in one write. */
const smallBody = 12_288
/** Client bytes that are kept until the request in progress is answered; then the client is paused. */
const maxHeld = 65_536
/** A request may be on its way to a connection that was in use a moment ago: a drain leaves it open for so long. */
const drainIdleMs = 1_000

const HEAD = 0
/** The backend is being found, woken or dialled. */
const ROUTING = 1
/** The request body is on its way. */
const BODY = 2
/** The request is sent. */
const RESPONSE = 3
/** The link is someone else's: the kernel's, which closes it, or that of the relay or of HTTP/2. */
const OVER = 4

/** Called once, when the connection is over. The kernel then closes the link, politely unless it is closed already. */
export type Done = (error: GatewayError | undefined) => void

/** One HTTP/1.1 client connection. Requests are served one by one; pipelined ones wait as bytes. */
export class ClientConnection implements LinkHandler, Exchange {
  readonly #server: HttpProtocol
  readonly #session: Session
  readonly #link: Link
  readonly #done: Done
  readonly #forwarder: Forwarder
  readonly #body = new BodyFraming()
  #state = HEAD
  #held: Buffer | undefined = undefined
  #paused = false
  /** The server's time of the last progress. */
  #active = 0
  #requests = 0
  #draining = false
  /** The Host as it was sent last, and the key in it. */
  #host: string | undefined = undefined
  #key = ''
  // The request in progress.
  #text = ''
  #method = ''
  #minor = 1
  #keepAlive = true
  #replayable = false
  #upgrades = false
  #pool: Pool | undefined = undefined
  #upstream: Upstream | undefined = undefined
  #responding = false
  #closeAfter = false
  /** Why the connection ends with the answer that is being written. */
  #fatal: GatewayError | undefined = undefined
  #startedAt = 0
  #status = 0
  #bytesIn = 0
  #bytesOut = 0

  constructor(server: HttpProtocol, session: Session, link: Link, done: Done) {
    this.#server = server
    this.#session = session
    this.#link = link
    this.#done = done
    const client = session.client.peer.host
    const proto = session.client.tls === undefined ? 'http' : 'https'
    this.#forwarder = new Forwarder(client, proto, server.settings.trusts(client))
    this.#active = server.now
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

  start(unread: Buffer): void {
    this.#session.signal.addEventListener('abort', this)
    this.#link.attach(this)
    if (unread.length > 0) this.onData(this.#link, unread)
    if (this.#link.closed) this.onClose()
    else if (!this.#paused && this.#state !== OVER) this.#link.resume()
  }

  /** The session's abort: the deadline of a drain, an operator. */
  handleEvent(): void {
    this.#break(new GatewayError('PROXY_KILLED'))
  }

  /** The next response says `Connection: close`; an idle connection is closed. */
  drain(): void {
    this.#draining = true
    if (this.#state === HEAD && this.#held === undefined && this.#expired(drainIdleMs)) this.#leave(undefined)
  }

  // ---- the client's link ------------------------------------------------------------------------------------

  onData(_link: Link, bytes: Buffer): void {
    // A head has so long from its first byte, however steadily it drips.
    if (this.#state !== HEAD || this.#held === undefined) this.#active = this.#server.now
    if (this.#state === HEAD) this.#readHeads(bytes)
    else if (this.#state === BODY) this.#sendBody(bytes)
    else this.#hold(bytes, 0)
  }

  onDrain(): void {
    this.#active = this.#server.now
    this.#upstream?.link.resume()
  }

  /** A client that ends its side has left: nobody waits for the answer (nginx and HAProxy see it the same way). */
  onEnd(): void {
    if (this.#state === HEAD) this.#leave(this.#requests === 0 ? new GatewayError('PROXY_CLIENT_GONE') : undefined)
    else this.#break(new GatewayError('PROXY_CLIENT_GONE'))
  }

  onClose(): void {
    const idle = this.#state === HEAD && this.#requests > 0
    this.#leave(idle ? undefined : new GatewayError('PROXY_CLIENT_GONE'))
  }

  sweep(): void {
    const { settings } = this.#server
    switch (this.#state) {
      case HEAD:
        return this.#sweepIdle()
      case BODY:
        if (this.#expired(settings.bodyTimeoutMs)) this.#stalled()
        return
      case RESPONSE:
        if (this.#responding) return this.#sweepSlowReader()
        if (settings.requestTimeoutMs > 0 && this.#expired(settings.requestTimeoutMs)) this.#timedOut()
        return
    }
  }

  #expired(limitMs: number): boolean {
    return this.#server.expired(this.#active, limitMs)
  }

  #sweepIdle(): void {
    const { settings } = this.#server
    if (this.#held !== undefined) {
      if (this.#expired(settings.headTimeoutMs)) this.#refuseMalformed(new GatewayError('PROXY_PEEK_TIMEOUT'), 408)
      return
    }
    if (this.#requests === 0) {
      if (this.#expired(settings.headTimeoutMs)) this.#leave(new GatewayError('PROXY_PEEK_TIMEOUT'))
      return
    }
    const { keepAliveTimeoutMs } = settings
    if (this.#expired(this.#draining ? Math.min(keepAliveTimeoutMs, drainIdleMs) : keepAliveTimeoutMs)) {
      this.#leave(undefined)
    }
  }

  #stalled(): void {
    const backend = this.#upstream !== undefined && !this.#upstream.link.writable
    const error = new GatewayError(backend ? 'PROXY_BACKEND_TIMEOUT' : 'PROXY_PEEK_TIMEOUT')
    if (this.#responding) return this.#break(error)
    this.#upstream?.abandon()
    this.#refuse(error)
  }

  #timedOut(): void {
    this.#upstream?.abandon()
    this.#refuse(new GatewayError('PROXY_BACKEND_TIMEOUT'))
  }

  #sweepSlowReader(): void {
    if (this.#link.writable || !this.#expired(this.#server.settings.bodyTimeoutMs)) return
    this.#break(new GatewayError('PROXY_CLIENT_GONE'))
  }

  // ---- requests ---------------------------------------------------------------------------------------------

  #hold(bytes: Buffer, at: number): void {
    const rest = bytes.subarray(at)
    this.#held = this.#held === undefined ? Buffer.from(rest) : Buffer.concat([this.#held, rest])
    if (this.#held.length > maxHeld) this.#pause()
  }

  #pause(): void {
    this.#paused = true
    this.#link.pause()
  }

  #resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#link.resume()
  }

  #readHeads(bytes: Buffer): void {
    const held = this.#held
    if (held !== undefined) {
      // A head ends with a line feed: without one there is nothing new to be read.
      if (bytes.indexOf(10) < 0 && held.length + bytes.length <= this.#server.settings.maxHeadBytes) {
        return this.#hold(bytes, 0)
      }
      this.#held = undefined
      bytes = Buffer.concat([held, bytes])
    }
    let at = 0
    while (at < bytes.length && this.#state === HEAD) {
      const end = parseRequest(head, bytes, at, bytes.length)
      const max = this.#server.settings.maxHeadBytes
      if (end === 0 && bytes.length - at <= max) break
      if (end < 0 || end === 0 || end - at > max) return this.#reject(bytes, at, end)
      at = this.#begin(bytes, end)
    }
    if (at < bytes.length && this.#isOpen) this.#hold(bytes, at)
  }

  #reject(bytes: Buffer, at: number, verdict: number): void {
    if (verdict === -505 && this.#requests === 0 && this.#server.takesHttp2(bytes, at)) {
      return this.#becomeHttp2(bytes.subarray(at))
    }
    if (verdict >= 0) this.#refuseMalformed(new GatewayError('PROXY_PEEK_OVERFLOW'), 431)
    else this.#refuseMalformed(malformed(head.problem), -verdict)
  }

  #becomeHttp2(bytes: Buffer): void {
    this.#giveAway()
    this.#server.serveHttp2(this.#session, this.#link, Buffer.from(bytes)).then(() => this.#done(undefined), this.#done)
  }

  /** A head is complete. Returns the offset behind what of the request was taken. */
  #begin(bytes: Buffer, end: number): number {
    this.#requests++
    this.#method = methodOf(bytes)
    this.#minor = head.minor
    this.#keepAlive = head.minor === 1 ? !head.close : head.keepAlive && !head.close
    this.#closeAfter = false
    this.#upgrades = isUpgrade(head, bytes)
    if (head.chunked) this.#body.chunks()
    else if (head.contentLength > 0) this.#body.length(head.contentLength)
    else this.#body.none()
    this.#replayable = this.#body.done && isIdempotent(this.#method)
    if (this.#server.observed) this.#observe(end)
    const target = readTarget(head, bytes, this.#method)
    if (typeof target === 'string') return this.#refuseTarget(bytes, end, target)
    const host = target.absolute?.authority ?? this.#hostField(bytes)
    if (host !== this.#host) {
      const key = keyOf(host)
      if (key === undefined) return this.#refuseEarly(bytes, end, malformed('Host'))
      this.#host = host
      this.#key = key
    }
    this.#text = requestHead(head, bytes, host, this.#forwarder, target.absolute, this.#upgrades)
    return this.#server.answersItself ? this.#intercept(bytes, end) : this.#route(bytes, end)
  }

  /** Lets the operator's own code answer first. */
  #intercept(bytes: Buffer, at: number): number {
    const { directResponse, onRequest } = this.#server.settings
    if (directResponse !== undefined) return this.#answerEarly(bytes, at, directResponse)
    if (onRequest === undefined) return this.#route(bytes, at)
    let answer: HttpAnswer | undefined | Promise<HttpAnswer | undefined>
    try {
      answer = onRequest(describeRequest(head, bytes, this.#text, this.#key, this.#session))
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
    const held = this.#takeHeld()
    this.#keepRest(held, answer === undefined ? this.#route(held, 0) : this.#answerEarly(held, 0, answer))
  }

  #hostField(bytes: Buffer): string {
    if (head.hostLine < 0) return ''
    const start = head.lines[head.hostLine * 4 + 2]!
    const end = head.lines[head.hostLine * 4 + 3]!
    return sameText(bytes, start, end, this.#host) ? this.#host! : latin1(bytes, start, end)
  }

  #route(bytes: Buffer, at: number): number {
    let answer: Backend | Promise<Backend>
    try {
      if (this.#key === '' && !this.#server.fixed) throw new GatewayError('PROXY_NO_KEY')
      answer = this.#server.resolve(this.#session, this.#key)
    } catch (error) {
      return this.#refuseEarly(bytes, at, GatewayError.from(error))
    }
    if (!(answer instanceof Promise)) return this.#toBackend(answer, bytes, at)
    this.#state = ROUTING
    answer.then(
      (backend) => this.#routed(backend),
      (error: unknown) => this.onNoUpstream(GatewayError.from(error)),
    )
    return at
  }

  #routed(backend: Backend): void {
    if (this.#state !== ROUTING) return
    this.#pool = this.#server.pools.of(backend, this.#session.id)
    const upstream = this.#pool.take(!this.#replayable)
    if (upstream === undefined) this.#pool.request(this, this.#session, backend, this.#key)
    else this.onUpstream(upstream)
  }

  #toBackend(backend: Backend, bytes: Buffer, at: number): number {
    const pool = this.#server.pools.of(backend, this.#session.id)
    this.#pool = pool
    const upstream = pool.take(!this.#replayable)
    if (upstream !== undefined) return this.#send(upstream, bytes, at)
    this.#state = ROUTING
    pool.request(this, this.#session, backend, this.#key)
    return at
  }

  onUpstream(upstream: Upstream): void {
    if (this.#state !== ROUTING) {
      upstream.pool.release(upstream)
      return
    }
    const held = this.#takeHeld()
    this.#keepRest(held, this.#send(upstream, held, 0))
  }

  #takeHeld(): Buffer {
    const held = this.#held ?? empty
    this.#held = undefined
    return held
  }

  #keepRest(held: Buffer, at: number): void {
    if (!this.#isOpen) return
    if (at < held.length) this.#held = held.subarray(at)
    this.#unblock()
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
    this.#responding = false
    this.#active = this.#server.now
    upstream.begin(this)
    this.#state = this.#body.done ? RESPONSE : BODY
    const { link } = upstream
    let ready: boolean
    if (end === at) ready = link.write(this.#text)
    else if (end - at <= smallBody) ready = link.write(this.#text + latin1(bytes, at, end))
    else {
      link.write(this.#text)
      ready = link.write(bytes.subarray(at, end))
    }
    this.#bytesIn += end - at
    if (!ready && this.#state === BODY) this.#pause()
    return end
  }

  #sendBody(bytes: Buffer): void {
    const upstream = this.#upstream!
    const end = this.#body.consume(bytes, 0, bytes.length)
    if (end < 0) {
      upstream.abandon()
      if (this.#responding) this.#break(malformed('broken chunks'))
      else this.#refuse(malformed('broken chunks'))
      return
    }
    if (this.#body.done) this.#state = RESPONSE
    this.#bytesIn += end
    if (!upstream.link.write(end === bytes.length ? bytes : bytes.subarray(0, end)) && this.#state === BODY)
      this.#pause()
    if (end < bytes.length) this.#hold(bytes, end)
  }

  onUpstreamDrain(): void {
    this.#active = this.#server.now
    if (this.#state === BODY) this.#resume()
  }

  // ---- responses --------------------------------------------------------------------------------------------

  onInterim(response: MessageHead, bytes: Buffer): void {
    if (this.#minor === 0) return
    this.#active = this.#server.now
    this.#link.write(
      isVerbatim(response) ? bytes.subarray(response.start, response.end) : responseHead(response, bytes, '', false),
    )
  }

  onResponse(response: MessageHead, bytes: Buffer, bodyEnd: number, complete: boolean): void {
    const upstream = this.#upstream!
    this.#active = this.#server.now
    this.#responding = true
    this.#status = response.status
    if (complete) this.#upstream = undefined
    const unframed = this.#minor === 0 && response.chunked
    const untilClose = !complete && upstream.untilClose
    this.#closeAfter = !this.#keepAlive || this.#draining || untilClose || unframed || !this.#body.done
    const added = this.#addedLines()
    const ready =
      added === '' && isVerbatim(response)
        ? this.#write(bytes, response.start, bodyEnd)
        : this.#writeHead(responseHead(response, bytes, added, unframed), bytes, response.end, bodyEnd)
    this.#afterWrite(ready, complete)
  }

  onBody(bytes: Buffer, start: number, end: number, complete: boolean): void {
    this.#active = this.#server.now
    if (complete) this.#upstream = undefined
    this.#afterWrite(this.#write(bytes, start, end), complete)
  }

  onPayload(bytes: Buffer, start: number, end: number): void {
    if (!this.#write(bytes, start, end)) this.#upstream?.link.pause()
  }

  onSwitch(response: MessageHead, bytes: Buffer): void {
    const { channel, link } = this.#upstream!
    this.#upstream = undefined
    this.#status = 101
    this.#write(bytes, response.start, bytes.length)
    if (this.#held !== undefined) link.write(this.#held)
    this.#report()
    this.#giveAway()
    this.#session.relay(channel).then(() => this.#done(undefined), this.#done)
  }

  onUpstreamFailure(error: GatewayError, clean: boolean): void {
    const upstream = this.#upstream
    this.#upstream = undefined
    if (this.#responding) return this.#break(error)
    if (!clean || !this.#replayable || upstream?.reused !== true) return this.#refuse(error)
    // It had been idle and was closed while the request was under way: nobody has seen the request.
    this.#state = ROUTING
    upstream.pool.request(this, this.#session, upstream.pool.backend, this.#key)
  }

  #addedLines(): string {
    const connection = this.#closeAfter ? closeLine : this.#minor === 0 ? keepAliveLine : ''
    return this.#server.settings.telemetryHeaders ? connection + this.#telemetry() : connection
  }

  #telemetry(): string {
    const ms = Math.round((this.#server.exactNow() - this.#startedAt) * 1_000) / 1_000
    return `X-Proxy-Session: ${this.#session.id}\r\nX-Proxy-Key: ${this.#key}\r\nX-Proxy-Duration-Ms: ${ms}\r\n`
  }

  #write(bytes: Buffer, start: number, end: number): boolean {
    this.#bytesOut += end - start
    if (start === end) return true
    return this.#link.write(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end))
  }

  #writeHead(text: string, bytes: Buffer, start: number, end: number): boolean {
    this.#bytesOut += text.length
    if (end - start > smallBody) {
      this.#link.write(text)
      return this.#write(bytes, start, end)
    }
    this.#bytesOut += end - start
    return this.#link.write(end === start ? text : text + latin1(bytes, start, end))
  }

  #afterWrite(ready: boolean, complete: boolean): void {
    if (complete) this.#finish()
    else if (!ready) this.#upstream?.link.pause()
  }

  /** The response is written. */
  #finish(): void {
    this.#report()
    this.#state = HEAD
    this.#responding = false
    this.#text = ''
    if (this.#closeAfter) return this.#leave(this.#fatal)
    this.#unblock()
  }

  /** Goes on with bytes that had to wait. */
  #unblock(): void {
    const held = this.#held
    if (held !== undefined && held.length > 0 && (this.#state === HEAD || this.#state === BODY)) {
      this.#held = undefined
      if (this.#state === HEAD) this.#readHeads(held)
      else this.#sendBody(held)
    }
    const blocked = this.#state === BODY && this.#upstream?.link.writable === false
    if (this.#isOpen && !blocked && (this.#held === undefined || this.#held.length <= maxHeld)) this.#resume()
  }

  get #isOpen(): boolean {
    return this.#state !== OVER
  }

  /** The connection is over. What is written is still sent. */
  #leave(error: GatewayError | undefined): void {
    if (this.#state === OVER) return
    this.#abandon()
    this.#giveAway()
    this.#done(error)
  }

  /** The same, so that the client can tell that what it has is not all. */
  #break(error: GatewayError): void {
    if (this.#state === OVER) return
    this.#abandon()
    this.#link.destroy(true)
    this.#giveAway()
    this.#done(error)
  }

  /** Whoever works for the request in progress stops. */
  #abandon(): void {
    const upstream = this.#upstream
    this.#upstream = undefined
    upstream?.abandon()
    if (this.#state === ROUTING) this.#pool?.cancel(this)
    if (this.#state !== HEAD) this.#report()
  }

  #giveAway(): void {
    this.#state = OVER
    this.#held = undefined
    this.#text = ''
    this.#link.pause()
    this.#session.signal.removeEventListener('abort', this)
  }

  // ---- answers of our own -----------------------------------------------------------------------------------

  #refuseTarget(bytes: Buffer, at: number, problem: string): number {
    if (this.#method !== 'CONNECT') return this.#refuseEarly(bytes, at, malformed(problem))
    this.#keepAlive = false
    const error = new GatewayError('PROXY_UNSUPPORTED', { message: 'CONNECT is not supported' })
    return this.#refuseEarly(bytes, at, error, 405)
  }

  /** Refuses within the read that brought the head. Returns the offset behind what there is of the body. */
  #refuseEarly(bytes: Buffer, at: number, error: GatewayError, status?: number): number {
    const end = this.#body.consume(bytes, at, bytes.length)
    this.#refuse(error, status)
    return end < 0 ? bytes.length : end
  }

  #answerEarly(bytes: Buffer, at: number, answer: HttpAnswer): number {
    const end = this.#body.consume(bytes, at, bytes.length)
    this.#answer(answer)
    return end < 0 ? bytes.length : end
  }

  /** Nothing behind these bytes can be trusted to be a request. */
  #refuseMalformed(error: GatewayError, status: number): void {
    this.#method = ''
    this.#keepAlive = false
    this.#held = undefined
    this.#body.none()
    if (this.#server.observed) this.#observe(0)
    this.#fatal = error
    this.#refuse(error, status)
  }

  #refuse(error: GatewayError, status: number = statusOf(error)): void {
    const refusal = refusalOf(error, fieldOf(this.#text, 'accept'), status)
    this.#status = status
    this.#settle()
    this.#conclude(refusalMessage(refusal, this.#addedLines(), this.isHead))
  }

  #answer(answer: HttpAnswer): void {
    this.#status = answer.status ?? 200
    this.#settle()
    this.#conclude(answerMessage(answer, this.#addedLines(), this.isHead))
  }

  /** Decides whether the connection lives on behind an answer of ours. */
  #settle(): void {
    const held = this.#held
    if (!this.#body.done && held !== undefined) {
      const at = this.#body.consume(held, 0, held.length)
      this.#held = at >= 0 && at < held.length ? held.subarray(at) : undefined
    }
    this.#upstream = undefined
    this.#closeAfter = !this.#keepAlive || this.#draining || !this.#body.done
  }

  #conclude(message: string): void {
    this.#bytesOut += message.length
    this.#link.write(message)
    this.#finish()
  }

  // ---- observation ------------------------------------------------------------------------------------------

  #observe(end: number): void {
    this.#startedAt = this.#server.exactNow()
    this.#status = 0
    this.#bytesIn = end - head.start
    this.#bytesOut = 0
  }

  #report(): void {
    const { hooks } = this.#server
    if (!hooks.has('request:end')) return
    hooks.emit('request:end', {
      session: this.#session.id,
      listener: this.#session.listener,
      key: this.#key,
      method: this.#method,
      status: this.#status,
      version: this.#minor === 0 ? '1.0' : '1.1',
      durationMs: this.#server.exactNow() - this.#startedAt,
      bytesFromClient: this.#bytesIn,
      bytesToClient: this.#bytesOut,
    })
  }
}

const empty: Buffer = Buffer.alloc(0)
const closeLine = 'Connection: close\r\n'
const keepAliveLine = 'Connection: keep-alive\r\n'

/** Without a new string for what nearly every request is. */
function methodOf(bytes: Buffer): string {
  const { start, methodEnd } = head
  if (methodEnd - start === 3 && bytes[start] === 0x47 && bytes[start + 1] === 0x45 && bytes[start + 2] === 0x54) {
    return 'GET'
  }
  return latin1(bytes, start, methodEnd)
}

function sameText(bytes: Buffer, start: number, end: number, text: string | undefined): boolean {
  if (text === undefined || end - start !== text.length) return false
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false
  return true
}
