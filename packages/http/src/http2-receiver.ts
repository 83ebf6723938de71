import { HpackDecoder } from './hpack-decoder.ts'
import { FORBIDDEN, type Field } from './http2-field.ts'
import {
  ACK,
  COMPRESSION_ERROR,
  CONTINUATION,
  DATA,
  END_STREAM,
  ENHANCE_YOUR_CALM,
  FLOW_CONTROL_ERROR,
  FRAME_SIZE_ERROR,
  type FrameSink,
  GOAWAY,
  HEADERS,
  maxInt31,
  NO_ERROR,
  PADDED,
  PING,
  PRIORITY,
  PROTOCOL_ERROR,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  STREAM_CLOSED,
  WINDOW_UPDATE,
} from './http2-frames.ts'
import { type BlockSink, HeaderBlocks } from './http2-header-blocks.ts'
import { PeerSettings } from './http2-settings.ts'
import type { Http2Stream } from './http2-stream.ts'
import type { Http2Streams } from './http2-streams.ts'

/** Fields of one head. */
const maxFields = 128

/** What a client's frames come to. */
export interface Receiver {
  /** A new stream. `overflow`: its head is larger than is allowed, and `fields` are not all. */
  onHead(id: number, fields: Field[], ended: boolean, overflow: boolean): void
  /** An error of one stream (RFC 9113 section 5.4.2), which may not exist. */
  onStreamError(id: number, code: number): void
  onSettings(settings: PeerSettings): void
  onPing(bytes: Buffer, start: number, end: number): void
  onPong(): void
  onGoaway(): void
  /** A frame that costs its sender next to nothing. False: there were too many of them. */
  onTrifle(): boolean
  /** An error of the connection (RFC 9113 section 5.4.1), or what must be taken for an attack on it. */
  onConnectionError(code: number): void
  /** The connection takes no more. */
  readonly over: boolean
}

/** Holds each frame of a client against RFC 9113, and says what it comes to. */
export class Http2Receiver implements FrameSink, BlockSink {
  readonly #to: Receiver
  readonly #streams: Http2Streams
  readonly #decoder: HpackDecoder
  readonly #settings = new PeerSettings()
  readonly #blocks: HeaderBlocks
  #greeted = false
  /** The highest stream that the client has opened. */
  lastStream = 0

  /** `maxHeadBytes`: of a head as SETTINGS_MAX_HEADER_LIST_SIZE counts it. */
  constructor(to: Receiver, streams: Http2Streams, maxHeadBytes: number) {
    this.#to = to
    this.#streams = streams
    this.#decoder = new HpackDecoder(maxHeadBytes, maxFields)
    this.#blocks = new HeaderBlocks(this, Math.max(maxHeadBytes * 2, 32_768))
  }

  onFrame(type: number, flags: number, stream: number, bytes: Buffer, start: number, end: number): boolean {
    const error = this.#check(type, flags, stream, start, end)
    const found = error === NO_ERROR ? this.#take(type, flags, stream, bytes, start, end) : error
    if (found !== NO_ERROR) this.#to.onConnectionError(found)
    return !this.#to.over
  }

  onBadFrame(code: number): void {
    this.#to.onConnectionError(code)
  }

  /** What is true of every frame, whatever is in it. */
  #check(type: number, flags: number, stream: number, start: number, end: number): number {
    if (!this.#greeted) {
      if (type !== SETTINGS || (flags & ACK) !== 0) return PROTOCOL_ERROR
      this.#greeted = true
    }
    const { open } = this.#blocks
    if (open !== 0 && (type !== CONTINUATION || stream !== open)) return PROTOCOL_ERROR
    const trifle = type > HEADERS && type !== RST_STREAM && type !== WINDOW_UPDATE && type !== CONTINUATION
    const empty = type === DATA && start === end && (flags & END_STREAM) === 0
    return (trifle || empty) && !this.#to.onTrifle() ? ENHANCE_YOUR_CALM : NO_ERROR
  }

  #take(type: number, flags: number, stream: number, bytes: Buffer, start: number, end: number): number {
    switch (type) {
      case DATA:
        return this.#data(flags, stream, bytes, start, end)
      case HEADERS:
        return this.#blocks.headers(flags, stream, bytes, start, end)
      case PRIORITY:
        return this.#priority(stream, bytes, start, end)
      case RST_STREAM:
        return this.#resetStream(stream, start, end)
      case SETTINGS:
        return this.#setting(flags, stream, bytes, start, end)
      case PUSH_PROMISE:
        return PROTOCOL_ERROR
      case PING:
        return this.#ping(flags, stream, bytes, start, end)
      case GOAWAY:
        return this.#goaway(stream, start, end)
      case WINDOW_UPDATE:
        return this.#windowUpdate(stream, bytes, start, end)
      case CONTINUATION:
        return this.#blocks.continuation(flags, bytes, start, end)
      default:
        return NO_ERROR
    }
  }

  // ---- bodies -----------------------------------------------------------------------------------------------

  #data(flags: number, id: number, bytes: Buffer, start: number, end: number): number {
    if (this.#isIdle(id)) return PROTOCOL_ERROR
    const size = end - start
    if (!this.#streams.receive(size)) return FLOW_CONTROL_ERROR
    if ((flags & PADDED) !== 0) {
      if (size === 0) return FRAME_SIZE_ERROR
      end -= bytes[start++]!
      if (end < start) return PROTOCOL_ERROR
    }
    const stream = this.#streams.get(id)
    if (stream === undefined || stream.remoteEnded) {
      this.#streams.consumed(size)
      return this.#isUnexpected(stream, id)
    }
    const error = stream.receive(bytes, start, end, size, (flags & END_STREAM) !== 0)
    if (error === NO_ERROR) return NO_ERROR
    // Nobody takes it, and the other streams need the room.
    this.#streams.consumed(size)
    this.#to.onStreamError(id, error)
    return NO_ERROR
  }

  /** A frame on a stream whose client has ended it, or which is over (RFC 9113 section 5.1). */
  #isUnexpected(stream: Http2Stream | undefined, id: number): number {
    if (stream !== undefined) this.#to.onStreamError(id, STREAM_CLOSED)
    else if (!this.#streams.wasReset(id)) return STREAM_CLOSED
    return NO_ERROR
  }

  #isIdle(id: number): boolean {
    return id === 0 || id % 2 === 0 || id > this.lastStream
  }

  // ---- heads ------------------------------------------------------------------------------------------------

  /** A whole header block. It is read whatever comes of it, as the next one may refer to it. */
  onBlock(id: number, ended: boolean, bytes: Buffer, start: number, end: number): number {
    const decoder = this.#decoder
    if (!decoder.decode(bytes, start, end)) return COMPRESSION_ERROR
    if (id > this.lastStream) {
      this.lastStream = id
      this.#to.onHead(id, decoder.fields, ended, decoder.overflow)
      return NO_ERROR
    }
    const stream = this.#streams.get(id)
    if (stream === undefined || stream.remoteEnded) return this.#isUnexpected(stream, id)
    const error = ended && !decoder.overflow ? this.#trailers(stream, decoder.fields) : PROTOCOL_ERROR
    if (error !== NO_ERROR) this.#to.onStreamError(id, error)
    return NO_ERROR
  }

  #trailers(stream: Http2Stream, fields: readonly Field[]): number {
    if (fields.some(({ kind, name }) => kind === FORBIDDEN || name.startsWith(':'))) return PROTOCOL_ERROR
    return stream.receiveTrailers(fields)
  }

  // ---- the rest ---------------------------------------------------------------------------------------------

  #priority(id: number, bytes: Buffer, start: number, end: number): number {
    if (id === 0) return PROTOCOL_ERROR
    if (end - start !== 5) return this.#streamOrConnectionError(id, FRAME_SIZE_ERROR)
    if ((bytes.readUInt32BE(start) & maxInt31) !== id) return NO_ERROR
    return this.#streamOrConnectionError(id, PROTOCOL_ERROR)
  }

  #streamOrConnectionError(id: number, code: number): number {
    if (this.#streams.get(id) === undefined) return code
    this.#to.onStreamError(id, code)
    return NO_ERROR
  }

  #resetStream(id: number, start: number, end: number): number {
    if (end - start !== 4) return FRAME_SIZE_ERROR
    if (this.#isIdle(id)) return PROTOCOL_ERROR
    const stream = this.#streams.get(id)
    if (stream !== undefined) this.#streams.close(stream)
    return NO_ERROR
  }

  #setting(flags: number, id: number, bytes: Buffer, start: number, end: number): number {
    if (id !== 0) return PROTOCOL_ERROR
    if ((flags & ACK) !== 0) return start === end ? NO_ERROR : FRAME_SIZE_ERROR
    const before = this.#settings.initialWindow
    const error = this.#settings.read(bytes, start, end)
    if (error !== NO_ERROR) return error
    this.#to.onSettings(this.#settings)
    return this.#streams.shift(this.#settings.initialWindow - before) ? NO_ERROR : FLOW_CONTROL_ERROR
  }

  #ping(flags: number, id: number, bytes: Buffer, start: number, end: number): number {
    if (id !== 0) return PROTOCOL_ERROR
    if (end - start !== 8) return FRAME_SIZE_ERROR
    if ((flags & ACK) !== 0) this.#to.onPong()
    else this.#to.onPing(bytes, start, end)
    return NO_ERROR
  }

  #goaway(id: number, start: number, end: number): number {
    if (id !== 0) return PROTOCOL_ERROR
    if (end - start < 8) return FRAME_SIZE_ERROR
    this.#to.onGoaway()
    return NO_ERROR
  }

  #windowUpdate(id: number, bytes: Buffer, start: number, end: number): number {
    if (end - start !== 4) return FRAME_SIZE_ERROR
    const by = bytes.readUInt32BE(start) & maxInt31
    if (id === 0) {
      if (by === 0) return PROTOCOL_ERROR
      return this.#streams.widen(by) ? NO_ERROR : FLOW_CONTROL_ERROR
    }
    if (this.#isIdle(id)) return PROTOCOL_ERROR
    const stream = this.#streams.get(id)
    if (stream === undefined) return NO_ERROR
    const error = stream.widen(by)
    if (error !== NO_ERROR) this.#to.onStreamError(id, error)
    return NO_ERROR
  }

  /** The window that new streams begin with. */
  get initialWindow(): number {
    return this.#settings.initialWindow
  }
}
