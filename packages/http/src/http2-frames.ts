/** Frame types (RFC 9113 section 6). */
export const DATA = 0
export const HEADERS = 1
export const PRIORITY = 2
export const RST_STREAM = 3
export const SETTINGS = 4
export const PUSH_PROMISE = 5
export const PING = 6
export const GOAWAY = 7
export const WINDOW_UPDATE = 8
export const CONTINUATION = 9

export const ACK = 0x1
export const END_STREAM = 0x1
export const END_HEADERS = 0x4
export const PADDED = 0x8
export const WITH_PRIORITY = 0x20

/** Error codes (RFC 9113 section 7). */
export const NO_ERROR = 0
export const PROTOCOL_ERROR = 1
export const INTERNAL_ERROR = 2
export const FLOW_CONTROL_ERROR = 3
export const STREAM_CLOSED = 5
export const FRAME_SIZE_ERROR = 6
export const REFUSED_STREAM = 7
export const COMPRESSION_ERROR = 9
export const ENHANCE_YOUR_CALM = 11

export const frameHeader = 9
/** The largest frame that we take, and the largest that everybody takes. */
export const maxFrame = 16_384
/** A window never grows beyond it, and no stream has a higher number. */
export const maxInt31 = 0x7fffffff

export const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

export interface FrameSink {
  /** A whole frame; `bytes[start, end)` is its payload, valid during the call. False: read no more. */
  onFrame(type: number, flags: number, stream: number, bytes: Buffer, start: number, end: number): boolean
  /** What the client sends is not HTTP/2. */
  onBadFrame(code: number): void
}

/** Cuts the bytes of a client into frames, however they arrive. What is kept is never more than one frame. */
export class FrameReader {
  readonly #sink: FrameSink
  /** Of the preface. */
  #greeted = 0
  /** The header of an incomplete frame, and once that is known the whole of it. */
  #held: Buffer | undefined = undefined
  #have = 0

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  read(bytes: Buffer): void {
    let at = this.#greeted < preface.length ? this.#greet(bytes) : 0
    if (at >= 0 && this.#held !== undefined) at = this.#complete(this.#held, bytes, at)
    while (at >= 0 && at < bytes.length) at = this.#next(bytes, at)
  }

  #greet(bytes: Buffer): number {
    let at = 0
    while (at < bytes.length && this.#greeted < preface.length) {
      if (bytes[at++] === preface.charCodeAt(this.#greeted++)) continue
      this.#sink.onBadFrame(PROTOCOL_ERROR)
      return -1
    }
    return at
  }

  /** The frame at `at`, if it is all there. Returns where the next one begins; -1: there is none. */
  #next(bytes: Buffer, at: number): number {
    if (bytes.length - at < frameHeader) return this.#hold(bytes, at, frameHeader)
    const length = bytes.readUIntBE(at, 3)
    if (length > maxFrame) return this.#tooLong()
    const end = at + frameHeader + length
    if (end > bytes.length) return this.#hold(bytes, at, frameHeader + length)
    return this.#deliver(bytes, at, end) ? end : -1
  }

  #deliver(bytes: Buffer, at: number, end: number): boolean {
    const stream = bytes.readUInt32BE(at + 5) & maxInt31
    return this.#sink.onFrame(bytes[at + 3]!, bytes[at + 4]!, stream, bytes, at + frameHeader, end)
  }

  #hold(bytes: Buffer, at: number, size: number): number {
    this.#held = Buffer.allocUnsafe(size)
    this.#have = bytes.copy(this.#held, 0, at)
    return -1
  }

  /** Adds to what is held, first to a header and then to the frame that it announces. */
  #complete(held: Buffer, bytes: Buffer, at: number): number {
    for (;;) {
      const taken = bytes.copy(held, this.#have, at)
      this.#have += taken
      at += taken
      if (this.#have < held.length) return -1
      const length = held.readUIntBE(0, 3)
      if (length > maxFrame) return this.#tooLong()
      this.#held = undefined
      if (held.length === frameHeader + length) return this.#deliver(held, 0, held.length) ? at : -1
      const whole = Buffer.allocUnsafe(frameHeader + length)
      held.copy(whole)
      this.#held = held = whole
    }
  }

  #tooLong(): number {
    this.#sink.onBadFrame(FRAME_SIZE_ERROR)
    return -1
  }
}
