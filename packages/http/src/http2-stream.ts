import type { Field } from './http2-field.ts'
import { HeldBody } from './held-body.ts'
import { FLOW_CONTROL_ERROR, maxInt31, NO_ERROR, PROTOCOL_ERROR } from './http2-frames.ts'
import type { Http2Streams } from './http2-streams.ts'

/** What a client may send on one stream before it has been taken. */
export const streamWindow = 262_144

const noFields: readonly Field[] = []

/** Who a stream works for. */
export interface StreamHandler {
  /** Some of the request body, valid during the call. */
  onRequestBody(bytes: Buffer, start: number, end: number): void
  /** All of it was delivered. */
  onRequestEnd(trailers: readonly Field[]): void
  /** The client has taken some of what waited. */
  onProgress(): void
  /** After a `write` that returned false: everything has been sent. */
  onDrain(): void
  /** The stream is over, in whatever way; once, and nothing follows. */
  onClosed(): void
}

/** One stream of a client: its windows, what waits in either direction, and its end. */
export class Http2Stream {
  readonly id: number
  /** What the client still takes on this stream; below zero when it has changed its mind. */
  sendWindow: number
  /** The client has ended its side. */
  remoteEnded: boolean
  /** The head of the response is written. */
  headersSent = false
  closed = false
  readonly #all: Http2Streams
  #handler: StreamHandler | undefined = undefined
  /** END_STREAM is written or will be. */
  #finished = false

  // The request body.
  #window = streamWindow
  #taken = 0
  #paused = true
  #delivered = false
  readonly #held = new HeldBody()
  #trailers: readonly Field[] = noFields
  /** -1: the client has not said. */
  readonly #length: number
  #received = 0

  // The response body, as far as it has to wait.
  #waiting: Buffer[] = []
  #waitingTrailers: readonly (readonly [string, string])[] | undefined = undefined

  /** `length`: of the body, as the head says it; -1 when it does not. */
  constructor(all: Http2Streams, id: number, sendWindow: number, length: number, ended: boolean) {
    this.#all = all
    this.id = id
    this.sendWindow = sendWindow
    this.#length = length
    this.remoteEnded = ended
    this.#delivered = ended
  }

  attach(handler: StreamHandler): void {
    this.#handler = handler
  }

  // ---- the request body -------------------------------------------------------------------------------------

  get paused(): boolean {
    return this.#paused
  }

  /** Streams begin so. What arrives is kept, and the window bounds it. */
  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused || this.closed) return
    this.#paused = false
    while (!this.#held.isEmpty && !this.#paused) {
      const bytes = this.#held.shift()!
      this.#deliver(bytes, 0, bytes.length)
    }
    this.#deliverEnd()
  }

  /** A DATA frame of `size` bytes with padding. Returns an error code of the stream; 0 when all is well. */
  receive(bytes: Buffer, start: number, end: number, size: number, ended: boolean): number {
    this.#window -= size
    if (this.#window < 0) return FLOW_CONTROL_ERROR
    this.#received += end - start
    if (this.#length >= 0 && (this.#received > this.#length || (ended && this.#received < this.#length))) {
      return PROTOCOL_ERROR
    }
    if (size > end - start) this.#consumed(size - (end - start))
    this.remoteEnded = ended
    if (end > start) {
      if (this.#paused) this.#held.push(bytes, start, end)
      else this.#deliver(bytes, start, end)
    }
    this.#deliverEnd()
    return 0
  }

  /** The end of the body, with trailers. */
  receiveTrailers(trailers: readonly Field[]): number {
    if (this.#length >= 0 && this.#received < this.#length) return PROTOCOL_ERROR
    this.#trailers = trailers
    this.remoteEnded = true
    this.#deliverEnd()
    return 0
  }

  #deliver(bytes: Buffer, start: number, end: number): void {
    this.#consumed(end - start)
    this.#handler?.onRequestBody(bytes, start, end)
  }

  #deliverEnd(): void {
    if (!this.remoteEnded || this.#delivered || this.#paused || this.closed || !this.#held.isEmpty) return
    this.#delivered = true
    this.#handler?.onRequestEnd(this.#trailers)
  }

  #consumed(bytes: number): void {
    this.#all.consumed(bytes)
    this.#taken += bytes
    if (this.#taken < streamWindow / 2 || this.remoteEnded || this.closed) return
    this.#all.allow(this.id, this.#taken)
    this.#window += this.#taken
    this.#taken = 0
  }

  // ---- the response -----------------------------------------------------------------------------------------

  /** Some has to wait for the client. */
  get blocked(): boolean {
    return this.#waiting.length > 0
  }

  /** Borrowed bytes of the body; with `last` its end. False: wait for `onDrain`. */
  write(bytes: Buffer, start: number, end: number, last: boolean): boolean {
    if (this.closed || this.#finished) return true
    this.#finished = last
    if (this.#waiting.length === 0) {
      start = this.#all.sendData(this, bytes, start, end, last)
      if (start === end) {
        if (last) this.#sent()
        return true
      }
    }
    if (end > start) this.#waiting.push(Buffer.from(bytes.subarray(start, end)))
    this.#all.wait(this)
    return false
  }

  /** The client takes more. Returns an error code of the stream. */
  widen(bytes: number): number {
    if (bytes === 0) return PROTOCOL_ERROR
    this.sendWindow += bytes
    if (this.sendWindow > maxInt31) return FLOW_CONTROL_ERROR
    while (this.#waiting.length > 0 && this.sendSome());
    return NO_ERROR
  }

  /** The end of the response, behind what waits. */
  end(trailers: readonly (readonly [string, string])[]): void {
    if (this.closed || this.#finished) return
    if (trailers.length > 0) this.#waitingTrailers = trailers
    else if (this.#waiting.length === 0) return void this.write(empty, 0, 0, true)
    this.#finished = true
    if (this.#waiting.length === 0) this.#end()
  }

  /** The head has ended the response. */
  endedWithHead(): void {
    this.#finished = true
    this.#sent()
  }

  /** At most one frame of what waits. False: the client takes no more. */
  sendSome(): boolean {
    const bytes = this.#waiting[0]!
    const ends = this.#finished && this.#waiting.length === 1 && this.#waitingTrailers === undefined
    const sent = this.#all.sendFrame(this, bytes, 0, bytes.length, ends)
    if (sent === 0) return false
    this.#handler?.onProgress()
    if (sent < bytes.length) this.#waiting[0] = bytes.subarray(sent)
    else this.#waiting.shift()
    if (this.#waiting.length > 0) return true
    this.#all.unwait(this)
    if (ends) this.#sent()
    else if (this.#finished) this.#end()
    else this.#handler?.onDrain()
    return true
  }

  #end(): void {
    const trailers = this.#waitingTrailers
    if (trailers !== undefined) this.#all.sendTrailers(this, trailers)
    this.#sent()
  }

  /** END_STREAM is written. Nobody reads the rest of a request then, and the client is told so (RFC 9113 section 8.1). */
  #sent(): void {
    if (this.remoteEnded) this.#all.close(this)
    else this.#all.reset(this, NO_ERROR)
  }

  // ---- the end ----------------------------------------------------------------------------------------------

  /** Breaks the stream off. */
  reset(code: number): void {
    if (!this.closed) this.#all.reset(this, code)
  }

  /** The connection has forgotten the stream. */
  over(): void {
    this.closed = true
    // What nobody took is not in the way of the other streams.
    for (let bytes = this.#held.shift(); bytes !== undefined; bytes = this.#held.shift())
      this.#all.consumed(bytes.length)
    this.#waiting = []
    this.#handler?.onClosed()
  }
}

const empty: Buffer = Buffer.alloc(0)
