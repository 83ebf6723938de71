import type { Link, LinkHandler, Session } from '@proxy/kernel'
import { Forwarder } from './forwarder.ts'
import { keyOf } from './host.ts'
import type { Http2Backends } from './http2-backend.ts'
import { Budget } from './http2-budget.ts'
import type { Field } from './http2-field.ts'
import {
  ACK,
  ENHANCE_YOUR_CALM,
  FrameReader,
  GOAWAY,
  maxInt31,
  NO_ERROR,
  PING,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
  SETTINGS,
} from './http2-frames.ts'
import { Http2Head, readHead } from './http2-head.ts'
import { Output } from './http2-output.ts'
import { Http2Receiver, type Receiver } from './http2-receiver.ts'
import { Http2Request } from './http2-request.ts'
import { Http2Routing } from './http2-routing.ts'
import { ownSettings, type PeerSettings } from './http2-settings.ts'
import { Http2Stream, streamWindow } from './http2-stream.ts'
import { connectionWindow, defaultWindow, Http2Streams } from './http2-streams.ts'
import type { HttpProtocol, Served } from './protocol.ts'

/** How long streams that crossed the first GOAWAY may take to arrive. */
const goawayMs = 1_000
const empty: Buffer = Buffer.alloc(0)

/** One HTTP/2 client connection. */
export class Http2Connection implements Served, LinkHandler, Receiver {
  readonly protocol: HttpProtocol
  readonly backends: Http2Backends
  readonly session: Session
  readonly forwarder: Forwarder
  readonly streams: Http2Streams
  readonly routing: Http2Routing = new Http2Routing(this)
  /** The link is the kernel's again. */
  over = false
  readonly #link: Link
  readonly #settled: () => void
  readonly #output: Output
  readonly #reader: FrameReader
  readonly #receiver: Http2Receiver
  readonly #requests = new Set<Http2Request>()
  /** Those whose head waits for the first of their body, to go with it. */
  readonly #begun: Http2Request[] = []
  /** Streams that are reset before they are answered, whoever caused it (CVE-2023-44487, CVE-2025-8671). */
  readonly #resets = new Budget(100, 20)
  /** Frames that cost their sender nothing (CVE-2019-9512, 9515, 9518). */
  readonly #trifles = new Budget(1_000, 500)
  #active: number
  #served = 0
  #reading = false
  #stopped = false
  #authority = ''
  #key: string | undefined = ''
  #goawayAt: number | undefined = undefined
  /** The last GOAWAY is sent: what comes now is not answered. */
  #leaving = false

  /** `settled` is told when the connection is over; the kernel then closes the link. */
  constructor(protocol: HttpProtocol, backends: Http2Backends, session: Session, link: Link, settled: () => void) {
    const { settings } = protocol
    this.protocol = protocol
    this.backends = backends
    this.session = session
    this.#link = link
    this.#settled = settled
    const client = session.client.peer.host
    const proto = session.client.tls === undefined ? 'http' : 'https'
    this.forwarder = new Forwarder(client, proto, settings.trusts(client))
    this.#output = new Output(link)
    this.streams = new Http2Streams(this.#output, () => this.#left())
    this.#receiver = new Http2Receiver(this, this.streams, settings.maxHeadBytes)
    this.#reader = new FrameReader(this.#receiver)
    this.#active = protocol.now
  }

  /** `unread` begins with the client's preface. */
  start(unread: Buffer): void {
    const { maxConcurrentStreams, maxHeadBytes } = this.protocol.settings
    this.session.signal.addEventListener('abort', this)
    this.#link.attach(this)
    this.#output.frame(SETTINGS, 0, 0, ownSettings(maxConcurrentStreams, streamWindow, maxHeadBytes))
    this.streams.allow(0, connectionWindow - defaultWindow)
    if (unread.length > 0) this.onData(this.#link, unread)
    if (this.#link.closed) this.onClose()
    else if (!this.over && !this.#stopped) this.#link.resume()
  }

  /** The session's abort. */
  handleEvent(): void {
    this.#link.destroy()
    this.#end()
  }

  onData(_link: Link, bytes: Buffer): void {
    this.#reading = true
    this.#reader.read(bytes)
    this.#reading = false
    for (const request of this.#begun) request.sendHead()
    this.#begun.length = 0
    if (!this.#output.overfull || this.over) return
    this.#stopped = true
    this.#link.pause()
  }

  onDrain(): void {
    this.#output.drained()
    this.streams.pump()
    if (!this.#stopped || this.over) return
    this.#stopped = false
    this.#link.resume()
  }

  /** A client that ends its side has left: nobody waits for its answers. */
  onEnd(): void {
    this.#end()
  }

  onClose(): void {
    this.#end()
  }

  /** Two GOAWAYs (RFC 9113 section 6.8): the second waits until streams under way have arrived. */
  drain(): void {
    if (this.#goawayAt !== undefined || this.over || this.#leaving) return
    this.#goawayAt = this.protocol.now
    this.#goaway(maxInt31, NO_ERROR)
    this.#output.frame(PING, 0, 0, Buffer.alloc(8))
  }

  sweep(): void {
    const { protocol } = this
    const { keepAliveTimeoutMs, headTimeoutMs } = protocol.settings
    const restMs = this.#served === 0 ? headTimeoutMs : keepAliveTimeoutMs
    this.#resets.refill(protocol.periodSeconds)
    this.#trifles.refill(protocol.periodSeconds)
    for (const request of this.#requests) request.sweep()
    if (this.#goawayAt !== undefined && protocol.expired(this.#goawayAt, goawayMs)) this.#leave(NO_ERROR)
    if (this.#requests.size === 0 && protocol.expired(this.#active, restMs)) this.#leave(NO_ERROR)
  }

  /** A request is over. `reset`: before there was an answer. */
  finished(request: Http2Request, reset: boolean): void {
    this.#requests.delete(request)
    this.#active = this.protocol.now
    if (reset && !this.over) this.#countReset()
  }

  /** Has the request send its head when everything that is there has been read. */
  later(request: Http2Request): void {
    if (this.#reading) this.#begun.push(request)
    else request.sendHead()
  }

  /** The resource id in an authority; mostly the same again and again. */
  keyOf(authority: string): string | undefined {
    if (authority === this.#authority) return this.#key
    this.#authority = authority
    this.#key = keyOf(authority)
    return this.#key
  }

  // ---- what frames come to ----------------------------------------------------------------------------------

  onHead(id: number, fields: Field[], ended: boolean, overflow: boolean): void {
    if (this.#leaving) return this.streams.forget(id)
    const { maxConcurrentStreams } = this.protocol.settings
    const head = readHead(fields, ended)
    if (this.streams.size >= maxConcurrentStreams) this.onStreamError(id, REFUSED_STREAM)
    else if (overflow) this.#begin(id, head ?? new Http2Head(fields), ended).refuseTooLarge()
    else if (head === undefined) this.onStreamError(id, PROTOCOL_ERROR)
    else this.#begin(id, head, ended).start()
  }

  #begin(id: number, head: Http2Head, ended: boolean): Http2Request {
    this.#active = this.protocol.now
    this.#served++
    const stream = new Http2Stream(this.streams, id, this.#receiver.initialWindow, head.length, ended)
    const request = new Http2Request(this, stream, head)
    this.streams.add(stream)
    this.#requests.add(request)
    return request
  }

  onStreamError(id: number, code: number): void {
    const stream = this.streams.get(id)
    // A request that is reset is counted when it ends.
    if (stream !== undefined) return this.streams.reset(stream, code)
    this.streams.refuse(id, code)
    this.#countReset()
  }

  onSettings(settings: PeerSettings): void {
    this.streams.encoder.limit(settings.headerTableSize)
    this.#output.frame(SETTINGS, ACK, 0, empty)
  }

  onPing(bytes: Buffer, start: number, end: number): void {
    this.#output.frame(PING, ACK, 0, bytes.subarray(start, end))
  }

  /** What the client had sent before it knew of our first GOAWAY has arrived. */
  onPong(): void {
    if (this.#goawayAt !== undefined) this.#leave(NO_ERROR)
  }

  onGoaway(): void {
    this.#leave(NO_ERROR)
  }

  onTrifle(): boolean {
    return this.#trifles.spend()
  }

  onConnectionError(code: number): void {
    if (this.over) return
    this.#goaway(this.#receiver.lastStream, code)
    this.#end()
  }

  #countReset(): void {
    if (!this.#resets.spend()) this.onConnectionError(ENHANCE_YOUR_CALM)
  }

  // ---- the end ----------------------------------------------------------------------------------------------

  #goaway(lastStream: number, code: number): void {
    const payload = Buffer.alloc(8)
    payload.writeUInt32BE(lastStream, 0)
    payload.writeUInt32BE(code, 4)
    this.#output.frame(GOAWAY, 0, 0, payload)
  }

  /** Takes no more streams, and ends with the last one. */
  #leave(code: number): void {
    if (this.over) return
    if (!this.#leaving) this.#goaway(this.#receiver.lastStream, code)
    this.#leaving = true
    this.#left()
  }

  #left(): void {
    if (this.#leaving && this.streams.size === 0) this.#end()
  }

  /** What is written is still sent. */
  #end(): void {
    if (this.over) return
    this.over = true
    this.session.signal.removeEventListener('abort', this)
    this.#begun.length = 0
    for (const request of this.#requests) request.abort()
    this.streams.abandon()
    this.#output.flush()
    this.#link.pause()
    this.#settled()
  }
}
