import { GatewayError, type Link, type LinkHandler, type Upstream as Channel } from '@proxy/kernel'
import { BodyFraming } from './body.ts'
import type { Exchange } from './exchange.ts'
import { MessageHead, parseResponse } from './message.ts'
import { KEEP_ALIVE } from './names.ts'
import type { Pool } from './pool.ts'
import { announceAnswer, announceFault } from './upstream-events.ts'

/** One scratch head for every backend connection: heads are read to the end within one call. */
const head = new MessageHead()

/** One HTTP/1.1 connection to a backend: reads responses, one exchange at a time. */
export class Upstream implements LinkHandler {
  readonly link: Link
  /** What the link was detached from. */
  readonly channel: Channel
  readonly pool: Pool
  /** The pool's tick at which it became idle. */
  idleSince = 0
  /** Milliseconds it may stay idle. */
  idleLimitMs: number
  /** It has served before: that the backend has closed it meanwhile is to be expected. */
  reused = false
  #exchange: Exchange | undefined = undefined
  readonly #body = new BodyFraming()
  /** Bytes of an incomplete head. */
  #held: Buffer | undefined = undefined
  #inBody = false
  #reusable = true
  #clean = true
  #gone = false

  constructor(channel: Channel, link: Link, pool: Pool, idleLimitMs: number) {
    this.channel = channel
    this.link = link
    this.pool = pool
    this.idleLimitMs = idleLimitMs
    link.attach(this)
    link.resume()
  }

  get usable(): boolean {
    return !this.#gone && !this.link.closed && !this.link.ended
  }

  /** The response in progress has no end but the connection's. */
  get untilClose(): boolean {
    return this.#body.untilClose && !this.#body.done
  }

  /** Trailers of the response that is just complete, if they were asked for. */
  get trailers(): string {
    return this.#body.trailers
  }

  /** From here on the responses are this exchange's. */
  begin(exchange: Exchange): void {
    this.#exchange = exchange
    this.#clean = true
    this.#inBody = false
  }

  /** The request that was sent on it gets no response. */
  faulted(error: GatewayError): void {
    if (this.#exchange === undefined || this.#inBody) return
    announceFault(this.pool.hooks, this.#exchange.session, this.channel, error)
  }

  /** Ends the exchange before its response is complete; the connection is of no more use. */
  abandon(): void {
    this.#exchange = undefined
    this.#leave()
    this.link.destroy()
  }

  onData(_link: Link, bytes: Buffer): void {
    const exchange = this.#exchange
    // Bytes that no request has asked for could be taken for the next response.
    if (exchange === undefined) return this.abandon()
    this.#clean = false
    if (this.#inBody) this.#readBody(exchange, bytes, 0)
    else this.#readHead(exchange, this.#held === undefined ? bytes : Buffer.concat([this.#held, bytes]))
  }

  onDrain(): void {
    this.#exchange?.onUpstreamDrain()
  }

  onEnd(): void {
    if (this.#exchange !== undefined && this.#inBody && this.#body.untilClose) this.#finishByClose(this.#exchange)
    else this.#fail(new GatewayError('PROXY_BACKEND_CLOSED'))
  }

  onClose(_link: Link, error: Error | undefined): void {
    this.#fail(new GatewayError('PROXY_BACKEND_CLOSED', error === undefined ? {} : { cause: error }))
  }

  #readHead(exchange: Exchange, bytes: Buffer): void {
    this.#held = undefined
    let at = 0
    while (at < bytes.length) {
      const end = parseResponse(head, bytes, at, bytes.length)
      if (end === 0 && bytes.length - at <= this.pool.maxHeadBytes) {
        this.#held = Buffer.from(bytes.subarray(at))
        return
      }
      if (end <= 0 || end - at > this.pool.maxHeadBytes)
        return this.#malformed(end < 0 ? head.problem : 'head too large')
      if (head.status === 101) return this.#switch(exchange, bytes)
      if (head.status >= 200) return this.#begin(exchange, bytes, end)
      exchange.onInterim(head, bytes)
      // The client may have gone while it was told.
      if (this.#exchange !== exchange) return
      at = end
    }
  }

  #switch(exchange: Exchange, bytes: Buffer): void {
    if (!exchange.upgrades) return this.#malformed('101 without Upgrade')
    this.#exchange = undefined
    this.#leave()
    exchange.onSwitch(head, bytes)
  }

  #begin(exchange: Exchange, bytes: Buffer, end: number): void {
    const body = this.#body
    announceAnswer(this.pool.hooks, exchange.session, this.channel)
    this.#reusable = head.minor === 1 ? !head.close : head.keepAlive && !head.close
    if (exchange.isHead || head.status === 204 || head.status === 304) body.none()
    else if (head.chunked) body.chunks()
    else if (head.contentLength >= 0) body.length(head.contentLength)
    else body.close()
    if (head.has(KEEP_ALIVE) && !this.reused) this.#heed(bytes)
    this.#inBody = true
    if (exchange.unchunks && body.chunked) {
      exchange.onResponse(head, bytes, end, false)
      if (this.#exchange === exchange) this.#readBody(exchange, bytes, end)
      return
    }
    const bodyEnd = body.consume(bytes, end, bytes.length)
    if (bodyEnd < 0) return this.#malformed('broken chunks')
    if (body.done) this.#finish(bodyEnd < bytes.length)
    exchange.onResponse(head, bytes, bodyEnd, body.done)
  }

  #readBody(exchange: Exchange, bytes: Buffer, at: number): void {
    const body = this.#body
    const end = body.consume(bytes, at, bytes.length, exchange.unchunks && body.chunked ? exchange : undefined)
    if (this.#exchange !== exchange) return
    if (end < 0) return this.#malformed('broken chunks')
    const complete = body.done
    if (complete) this.#finish(end < bytes.length)
    if (exchange.unchunks && body.chunked) at = end
    if (end > at || complete) exchange.onBody(bytes, at, end, complete)
  }

  /** `surplus`: bytes came behind the response. */
  #finish(surplus: boolean): void {
    const exchange = this.#exchange
    this.#exchange = undefined
    this.#inBody = false
    if (!this.#reusable || surplus || exchange?.sent !== true || this.link.ended) return this.abandon()
    // The client may have been slow to take the last bytes.
    this.link.resume()
    this.pool.release(this)
  }

  #finishByClose(exchange: Exchange): void {
    this.#exchange = undefined
    this.abandon()
    exchange.onBody(empty, 0, 0, true)
  }

  /** The backend says how long it keeps idle connections; ours are gone a second before. */
  #heed(bytes: Buffer): void {
    const match = /timeout=(\d{1,6})/.exec(head.values(bytes, KEEP_ALIVE).join())
    if (match === null) return
    this.idleLimitMs = Math.min(this.idleLimitMs, (Number(match[1]) - 1) * 1_000)
    if (this.idleLimitMs <= 0) this.#reusable = false
  }

  #malformed(why: string): void {
    const exchange = this.#exchange
    const error = new GatewayError('PROXY_BACKEND_PROTOCOL', { cause: new Error(why) })
    this.faulted(error)
    this.abandon()
    exchange?.onUpstreamFailure(error, false)
  }

  #fail(error: GatewayError): void {
    const exchange = this.#exchange
    // That an idle connection is closed in the moment in which it is used again is nobody's fault.
    if (!(this.#clean && this.reused)) this.faulted(error)
    this.abandon()
    exchange?.onUpstreamFailure(error, this.#clean)
  }

  #leave(): void {
    if (this.#gone) return
    this.#gone = true
    this.pool.forget(this)
  }
}

const empty: Buffer = Buffer.alloc(0)
