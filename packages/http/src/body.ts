import { latin1, COLON, CR, HEX, LF, SEMICOLON, TOKEN, VALUE } from './bytes.ts'

/** Digits of a chunk size; leading zeros count. 13 hold every size that is an exact number. */
const maxSizeDigits = 13
/** Bytes of chunk extensions in one chunk line. */
const maxExtension = 256
/** Bytes of extensions in a whole body, and of trailers: what a head may have. */
const maxOverhead = 16_384

const SIZE = 0
const EXTENSION = 1
const SIZE_LF = 2
const DATA = 3
const DATA_CR = 4
const DATA_LF = 5
const LINE = 6
const TRAILER_NAME = 7
const TRAILER_VALUE = 8
const TRAILER_LF = 9
const END_LF = 10

const NONE = 0
const LENGTH = 1
const CHUNKED = 2
const CLOSE = 3

/** Receives what a body says, without its framing. */
export interface PayloadSink {
  onPayload(bytes: Buffer, start: number, end: number): void
}

/**
 * Follows one body through its bytes, however they are cut, so that they can be forwarded as they are. One object
 * serves every body of a connection in turn.
 */
export class BodyFraming {
  /** The last byte was seen. */
  done = true
  #kind = NONE
  #state = SIZE
  #remaining = 0
  #digits = 0
  #extension = 0
  #overhead = 0
  #trailers: string | undefined = undefined

  get chunked(): boolean {
    return this.#kind === CHUNKED
  }

  /** Ends with the connection. */
  get untilClose(): boolean {
    return this.#kind === CLOSE
  }

  /** The trailer section (RFC 9112 section 7.1.2) as it came, if it was asked for by a sink. */
  get trailers(): string {
    return this.#trailers ?? ''
  }

  none(): void {
    this.#kind = NONE
    this.done = true
  }

  length(length: number): void {
    this.#kind = LENGTH
    this.#remaining = length
    this.done = length === 0
  }

  chunks(): void {
    this.#kind = CHUNKED
    this.#state = SIZE
    this.#remaining = 0
    this.#digits = 0
    this.#extension = 0
    this.#overhead = 0
    this.#trailers = undefined
    this.done = false
  }

  close(): void {
    this.#kind = CLOSE
    this.done = false
  }

  /**
   * Takes what belongs to the body from the start of `bytes[at, end)`. Returns the offset behind it, or -1 when the
   * framing is broken. `sink` gets the payload.
   */
  consume(bytes: Buffer, at: number, end: number, sink?: PayloadSink): number {
    if (this.done || at >= end) return at
    if (this.#kind === CHUNKED) return this.#consumeChunks(bytes, at, end, sink)
    const length = this.#kind === CLOSE ? end - at : Math.min(this.#remaining, end - at)
    sink?.onPayload(bytes, at, at + length)
    if (this.#kind === LENGTH) {
      this.#remaining -= length
      this.done = this.#remaining === 0
    }
    return at + length
  }

  #consumeChunks(bytes: Buffer, at: number, end: number, sink: PayloadSink | undefined): number {
    while (at < end && !this.done) {
      if (this.#state === DATA) {
        const length = Math.min(this.#remaining, end - at)
        sink?.onPayload(bytes, at, at + length)
        at += length
        this.#remaining -= length
        if (this.#remaining === 0) this.#state = DATA_CR
        continue
      }
      if (sink !== undefined && this.#state >= LINE) this.#trailers = (this.#trailers ?? '') + latin1(bytes, at, at + 1)
      if (!this.#step(bytes[at]!)) return -1
      at++
    }
    return at
  }

  #step(byte: number): boolean {
    switch (this.#state) {
      case SIZE:
        return this.#size(byte)
      case EXTENSION:
        return this.#extend(byte)
      case SIZE_LF:
        return byte === LF && this.#begin()
      case DATA_CR:
        return this.#expect(byte, CR, DATA_LF)
      case DATA_LF:
        return this.#expect(byte, LF, SIZE)
      case LINE:
        return this.#line(byte)
      case TRAILER_NAME:
        return this.#trailerName(byte)
      case TRAILER_VALUE:
        return this.#trailerValue(byte)
      case TRAILER_LF:
        return this.#expect(byte, LF, LINE)
      default:
        this.done = true
        return byte === LF
    }
  }

  #expect(byte: number, wanted: number, next: number): boolean {
    this.#state = next
    return byte === wanted
  }

  #size(byte: number): boolean {
    const value = HEX[byte]!
    if (value !== 255) {
      this.#remaining = this.#remaining * 16 + value
      return ++this.#digits <= maxSizeDigits
    }
    if (this.#digits === 0) return false
    this.#digits = 0
    this.#extension = 0
    this.#state = byte === SEMICOLON ? EXTENSION : SIZE_LF
    return byte === SEMICOLON || byte === CR
  }

  #extend(byte: number): boolean {
    if (byte === CR) {
      this.#state = SIZE_LF
      return true
    }
    return VALUE[byte] === 1 && ++this.#extension <= maxExtension && ++this.#overhead <= maxOverhead
  }

  #begin(): boolean {
    this.#state = this.#remaining === 0 ? LINE : DATA
    if (this.#state === LINE) this.#overhead = 0
    return true
  }

  #line(byte: number): boolean {
    if (byte === CR) {
      this.#state = END_LF
      return true
    }
    this.#state = TRAILER_NAME
    return TOKEN[byte] !== 0 && ++this.#overhead <= maxOverhead
  }

  #trailerName(byte: number): boolean {
    if (byte === COLON) this.#state = TRAILER_VALUE
    return (byte === COLON || TOKEN[byte] !== 0) && ++this.#overhead <= maxOverhead
  }

  #trailerValue(byte: number): boolean {
    if (byte === CR) {
      this.#state = TRAILER_LF
      return true
    }
    return VALUE[byte] === 1 && ++this.#overhead <= maxOverhead
  }
}

/** The fields of a trailer section, in order, names in lower case. */
export function parseTrailers(section: string): [string, string][] {
  const fields: [string, string][] = []
  for (const line of section.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.push([line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()])
  }
  return fields
}
