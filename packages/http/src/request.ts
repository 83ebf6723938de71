import { GatewayError } from '@proxy/kernel'
import type { ClientConnection } from './connection.ts'
import { Http1Answering } from './http1-answering.ts'
import { writeJoined } from './joined-write.ts'
import type { MessageHead } from './message.ts'
import type { HttpAnswer } from './options.ts'
import { malformed, statusOf } from './refusals.ts'
import { Routing, type Seeker } from './routing.ts'
import { followHttp1 } from './trace-context.ts'
import { Upstream } from './upstream.ts'

const IDLE = 0
/** The backend is being found, woken or dialled. */
const ROUTING = 1
/** The body is on its way. */
const BODY = 2
/** The request is sent. */
const SENT = 3

/** The request in progress on a client connection, from its head to the end of its response; then the next one. */
export class Http1Request extends Http1Answering implements Seeker {
  readonly #routing: Routing
  #state = IDLE
  #upstream: Upstream | undefined = undefined

  constructor(connection: ClientConnection) {
    super(connection)
    this.#routing = new Routing(this, connection, this.incoming, this.report)
  }

  get idle(): boolean {
    return this.#state === IDLE
  }

  get routing(): boolean {
    return this.#state === ROUTING
  }

  get takesBody(): boolean {
    return this.#state === BODY
  }

  /** The backend must take bytes before the client may send more. */
  get blocked(): boolean {
    return this.#state === BODY && this.#upstream?.link.writable === false
  }

  /** A head is complete. Returns the offset behind what of the request was taken. */
  begin(head: MessageHead, bytes: Buffer, end: number): number {
    const { server, session, forwarder } = this.connection
    const incoming = this.incoming
    const report = this.report
    incoming.begin(head, bytes)
    this.response.reset()
    report.begin(server.observed, end - head.start)
    report.trace = followHttp1(server.settings, session, head, bytes)
    const problem = incoming.address(head, bytes, forwarder, report)
    if (problem !== undefined) return this.#early(problem, bytes, end, incoming.method === 'CONNECT' ? 405 : 400)
    this.#state = ROUTING
    const found = this.#routing.start(head, bytes)
    if (found === undefined) return end
    return found instanceof Upstream ? this.#send(found, bytes, end) : this.#early(found, bytes, end)
  }

  // ---- the way to a backend ---------------------------------------------------------------------------------

  onUpstream(upstream: Upstream): void {
    if (this.#state !== ROUTING) return upstream.pool.release(upstream)
    this.report.connected()
    const held = this.connection.takeHeld()
    this.connection.keepRest(held, this.#send(upstream, held, 0))
  }

  onNoUpstream(error: GatewayError): void {
    if (this.#state === ROUTING) this.#refuse(error)
  }

  onAnswer(answer: HttpAnswer): void {
    if (this.#state === ROUTING) this.#answer(answer)
  }

  /** Answers within the read that brought the head. Returns the offset behind what there is of the body. */
  #early(answer: HttpAnswer | GatewayError, bytes: Buffer, at: number, status?: number): number {
    const end = this.incoming.body.consume(bytes, at, bytes.length)
    if (answer instanceof GatewayError) this.#refuse(answer, status)
    else this.#answer(answer)
    return end < 0 ? bytes.length : end
  }

  // ---- the request ------------------------------------------------------------------------------------------

  /** Head and what there is of the body. Returns the offset behind it. */
  #send(upstream: Upstream, bytes: Buffer, at: number): number {
    const { body, text } = this.incoming
    const end = body.consume(bytes, at, bytes.length)
    if (end < 0) {
      upstream.pool.release(upstream)
      this.#refuse(malformed('broken chunks'))
      return bytes.length
    }
    this.#upstream = upstream
    this.report.endpoint = upstream.channel.endpoint
    this.#state = body.done ? SENT : BODY
    this.report.bytesIn += end - at
    this.connection.touch()
    upstream.begin(this)
    const ready = writeJoined(upstream.link, text, bytes, at, end)
    if (!ready && this.#state === BODY) this.connection.pause()
    return end
  }

  /** More of the body. */
  onClientBody(bytes: Buffer): void {
    const { body } = this.incoming
    const end = body.consume(bytes, 0, bytes.length)
    if (end < 0) return this.#giveUp(malformed('broken chunks'))
    if (body.done) this.#state = SENT
    this.report.bytesIn += end
    const ready = this.#upstream!.link.write(end === bytes.length ? bytes : bytes.subarray(0, end))
    if (!ready && this.#state === BODY) this.connection.pause()
    if (end < bytes.length) this.connection.hold(bytes, end)
  }

  onUpstreamDrain(): void {
    this.connection.touch()
    if (this.#state === BODY) this.connection.resume()
  }

  onClientDrain(): void {
    this.#upstream?.link.resume()
  }

  // ---- the response -----------------------------------------------------------------------------------------

  onResponse(head: MessageHead, bytes: Buffer, bodyEnd: number, complete: boolean): void {
    const endless = !complete && this.#upstream?.untilClose === true
    this.connection.touch()
    this.report.answered(complete)
    this.#afterWrite(this.response.head(head, bytes, bodyEnd, endless), complete)
  }

  onBody(bytes: Buffer, start: number, end: number, complete: boolean): void {
    this.connection.touch()
    this.#afterWrite(this.response.write(bytes, start, end), complete)
  }

  onPayload(bytes: Buffer, start: number, end: number): void {
    this.#afterWrite(this.response.write(bytes, start, end), false)
  }

  onSwitch(head: MessageHead, bytes: Buffer): void {
    const { channel, link } = this.#upstream!
    this.response.switch(head, bytes)
    link.write(this.connection.takeHeld())
    this.#end()
    this.connection.relay(channel)
  }

  onUpstreamFailure(error: GatewayError, clean: boolean): void {
    const upstream = this.#upstream
    this.#upstream = undefined
    const untouched = clean && !this.response.begun
    if (!untouched || !this.incoming.replayable || upstream?.reused !== true) return this.#giveUp(error)
    // It had been idle and was closed while the request was under way: nobody has seen the request.
    this.#state = ROUTING
    this.#routing.retry(upstream)
  }

  #afterWrite(ready: boolean, complete: boolean): void {
    if (complete) this.#finish(undefined)
    else if (!ready) this.#upstream?.link.pause()
  }

  // ---- the end ----------------------------------------------------------------------------------------------

  sweep(): void {
    const { bodyTimeoutMs, requestTimeoutMs } = this.connection.server.settings
    const connection = this.connection
    if (this.#state === BODY) {
      const code = this.blocked ? 'PROXY_BACKEND_TIMEOUT' : 'PROXY_PEEK_TIMEOUT'
      if (connection.expired(bodyTimeoutMs)) this.#giveUp(new GatewayError(code))
    } else if (this.#state === SENT && !this.response.begun) {
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
    if (this.#state === ROUTING) this.#routing.cancel()
    this.#upstream?.abandon()
    this.#end()
  }

  /** Refuses, or breaks off what has been answered in part. */
  #giveUp(error: GatewayError): void {
    this.report.error = error
    this.#upstream?.abandon()
    if (this.response.begun) this.connection.break(error)
    else this.#refuse(error)
  }

  #answer(answer: HttpAnswer): void {
    this.response.answer(answer)
    this.#finish(undefined)
  }

  /** Nothing behind the bytes that were read can be trusted to be a request. */
  refuseMalformed(error: GatewayError, status: number): void {
    this.incoming.discard()
    this.response.reset()
    this.connection.takeHeld()
    this.report.begin(this.connection.server.observed, 0)
    this.#refuse(error, status, error)
  }

  #refuse(error: GatewayError, status: number = statusOf(error), fatal?: GatewayError): void {
    this.report.error = error
    this.response.refuse(error, status)
    this.#finish(fatal)
  }

  #finish(fatal: GatewayError | undefined): void {
    this.#end()
    this.connection.finished(this.response.closes, fatal)
  }

  #end(): void {
    if (this.report.observed) {
      const { minor, key, method, path } = this.incoming
      this.report.end(this.session, minor === 0 ? '1.0' : '1.1', key, method, path)
    }
    this.#state = IDLE
    this.#upstream = undefined
    this.incoming.text = ''
  }
}
