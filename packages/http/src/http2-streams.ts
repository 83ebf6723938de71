import { charactersOf, HpackEncoder, roomFor } from './hpack-encoder.ts'
import { maxFrame, maxInt31, RST_STREAM, WINDOW_UPDATE } from './http2-frames.ts'
import type { Output } from './http2-output.ts'
import type { Http2Stream } from './http2-stream.ts'

/** What a client may send on all of its streams before it has been taken. */
export const connectionWindow = 1_048_576
/** Of both sides, until they say otherwise (RFC 9113 section 6.9.2). */
export const defaultWindow = 65_535
/** Streams that we have reset: what their client had sent before it knew is passed over. */
const maxRemembered = 1_024

/** For a header block while it is written. */
let block: Buffer = Buffer.allocUnsafe(32_768)

/** The streams of one client that are open, and the windows that they share. */
export class Http2Streams {
  readonly encoder: HpackEncoder = new HpackEncoder()
  readonly #output: Output
  readonly #onClosed: () => void
  readonly #open = new Map<number, Http2Stream>()
  /** Those with something to send that the client does not take yet. */
  readonly #waiting = new Set<Http2Stream>()
  readonly #forgotten = new Set<number>()
  /** What the client still takes. */
  #sendWindow = defaultWindow
  /** What it may still send. */
  #window = connectionWindow
  #taken = 0

  /** `onClosed` is told of each stream that is over. */
  constructor(output: Output, onClosed: () => void) {
    this.#output = output
    this.#onClosed = onClosed
  }

  get size(): number {
    return this.#open.size
  }

  get(id: number): Http2Stream | undefined {
    return this.#open.get(id)
  }

  add(stream: Http2Stream): void {
    this.#open.set(stream.id, stream)
  }

  /** The stream was reset by us, and the client may not have known when it sent on. */
  wasReset(id: number): boolean {
    return this.#forgotten.has(id)
  }

  // ---- what clients send ------------------------------------------------------------------------------------

  /** So many bytes of DATA have arrived. False: more than the client may send. */
  receive(bytes: number): boolean {
    this.#window -= bytes
    return this.#window >= 0
  }

  /** They have gone where they were meant to go, or nowhere. */
  consumed(bytes: number): void {
    this.#taken += bytes
    if (this.#taken < connectionWindow / 2) return
    this.allow(0, this.#taken)
    this.#window += this.#taken
    this.#taken = 0
  }

  /** Lets the client send more on a stream, or on all (0). */
  allow(id: number, bytes: number): void {
    this.#output.word(WINDOW_UPDATE, id, bytes)
  }

  // ---- what they get ----------------------------------------------------------------------------------------

  /** Somewhere to write a header block of so many fields with so many characters. */
  beginHead(fields: number, characters: number): HpackEncoder {
    const room = roomFor(fields, characters)
    if (room > block.length) block = Buffer.allocUnsafe(room)
    this.encoder.begin(block, 0)
    return this.encoder
  }

  /** Sends the block that was begun. */
  sendHead(stream: Http2Stream, last: boolean): void {
    this.#output.headers(stream.id, block, this.encoder.end, last)
  }

  sendTrailers(stream: Http2Stream, trailers: readonly (readonly [string, string])[]): void {
    const encoder = this.beginHead(trailers.length, charactersOf(trailers))
    for (const [name, value] of trailers) encoder.field(name, value)
    this.sendHead(stream, true)
  }

  /** Sends of `bytes[start, end)` what the client takes now, and returns where the rest begins. */
  sendData(stream: Http2Stream, bytes: Buffer, start: number, end: number, last: boolean): number {
    if (start === end) {
      if (last) this.#output.data(stream.id, bytes, 0, 0, true)
      return end
    }
    for (;;) {
      const sent = this.sendFrame(stream, bytes, start, end, last)
      start += sent
      if (sent === 0 || start === end) return start
    }
  }

  /** The same for one frame; returns how many bytes went. `last`: the stream ends with `end`. */
  sendFrame(stream: Http2Stream, bytes: Buffer, start: number, end: number, last: boolean): number {
    const length = Math.min(end - start, maxFrame, stream.sendWindow, this.#sendWindow)
    if (length <= 0 || !this.#output.ready) return 0
    stream.sendWindow -= length
    this.#sendWindow -= length
    this.#output.data(stream.id, bytes, start, start + length, last && start + length === end)
    return length
  }

  wait(stream: Http2Stream): void {
    this.#waiting.add(stream)
  }

  unwait(stream: Http2Stream): void {
    this.#waiting.delete(stream)
  }

  /** The client takes more on all streams. False: more than a window may be. */
  widen(bytes: number): boolean {
    this.#sendWindow += bytes
    if (this.#sendWindow > maxInt31) return false
    this.pump()
    return true
  }

  /** The initial window has changed by so much (RFC 9113 section 6.9.2). False: a window is now too large. */
  shift(bytes: number): boolean {
    for (const stream of this.#open.values()) {
      stream.sendWindow += bytes
      if (stream.sendWindow > maxInt31) return false
    }
    if (bytes > 0) this.pump()
    return true
  }

  /** Sends what waits, frame by frame in turn, so that no stream starves another. */
  pump(): void {
    let progress = this.#waiting.size > 0
    while (progress) {
      progress = false
      for (const stream of this.#waiting) if (stream.sendSome()) progress = true
    }
  }

  // ---- ends -------------------------------------------------------------------------------------------------

  close(stream: Http2Stream): void {
    this.#open.delete(stream.id)
    this.#waiting.delete(stream)
    stream.over()
    this.#onClosed()
  }

  reset(stream: Http2Stream, code: number): void {
    this.refuse(stream.id, code)
    this.close(stream)
  }

  /** Resets a stream that has not been opened. */
  refuse(id: number, code: number): void {
    this.#output.word(RST_STREAM, id, code)
    this.forget(id)
  }

  /** What is still to come on a stream is passed over. */
  forget(id: number): void {
    if (this.#forgotten.size >= maxRemembered) this.#forgotten.delete(this.#forgotten.values().next().value!)
    this.#forgotten.add(id)
  }

  /** The connection is gone. */
  abandon(): void {
    for (const stream of this.#open.values()) {
      this.#open.delete(stream.id)
      stream.over()
    }
    this.#waiting.clear()
  }
}
