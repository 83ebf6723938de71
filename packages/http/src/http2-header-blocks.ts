import {
  ENHANCE_YOUR_CALM,
  END_HEADERS,
  END_STREAM,
  FRAME_SIZE_ERROR,
  maxInt31,
  NO_ERROR,
  PADDED,
  PROTOCOL_ERROR,
  WITH_PRIORITY,
} from './http2-frames.ts'

/** CONTINUATION frames of one head (CVE-2024-27316). */
const maxContinuations = 32

/** Header blocks that take more than one frame. */
interface Unfinished {
  readonly stream: number
  readonly ended: boolean
  readonly parts: Buffer[]
  size: number
}

/** Who is given header blocks. */
export interface BlockSink {
  /** A whole header block, `bytes[start, end)`. Returns an error code of the connection. */
  onBlock(id: number, ended: boolean, bytes: Buffer, start: number, end: number): number
}

/** Puts header blocks together from HEADERS and CONTINUATION frames (RFC 9113 sections 6.2 and 6.10). */
export class HeaderBlocks {
  readonly #to: BlockSink
  readonly #maxBytes: number
  #unfinished: Unfinished | undefined = undefined

  constructor(to: BlockSink, maxBytes: number) {
    this.#to = to
    this.#maxBytes = maxBytes
  }

  /** The stream whose block is not complete: only its CONTINUATION may follow. 0: there is none. */
  get open(): number {
    return this.#unfinished?.stream ?? 0
  }

  /** A HEADERS frame. Like the others, returns an error code of the connection. */
  headers(flags: number, id: number, bytes: Buffer, start: number, end: number): number {
    if (id % 2 === 0) return PROTOCOL_ERROR
    if ((flags & PADDED) !== 0) {
      if (start === end) return FRAME_SIZE_ERROR
      end -= bytes[start++]!
    }
    let selfish = false
    if ((flags & WITH_PRIORITY) !== 0) {
      if (end - start < 5) return end < start ? PROTOCOL_ERROR : FRAME_SIZE_ERROR
      selfish = (bytes.readUInt32BE(start) & maxInt31) === id
      start += 5
    }
    if (end < start) return PROTOCOL_ERROR
    // It would depend on itself, which RFC 9113 has no word for any more, and RFC 7540 calls an error.
    if (selfish) return PROTOCOL_ERROR
    const ended = (flags & END_STREAM) !== 0
    if ((flags & END_HEADERS) !== 0) return this.#to.onBlock(id, ended, bytes, start, end)
    const part = Buffer.from(bytes.subarray(start, end))
    this.#unfinished = { stream: id, ended, parts: [part], size: part.length }
    return NO_ERROR
  }

  /** A CONTINUATION frame. */
  continuation(flags: number, bytes: Buffer, start: number, end: number): number {
    const unfinished = this.#unfinished
    if (unfinished === undefined) return PROTOCOL_ERROR
    const { parts } = unfinished
    unfinished.size += end - start
    if (unfinished.size > this.#maxBytes || parts.length > maxContinuations) return ENHANCE_YOUR_CALM
    parts.push(Buffer.from(bytes.subarray(start, end)))
    if ((flags & END_HEADERS) === 0) return NO_ERROR
    this.#unfinished = undefined
    return this.#to.onBlock(unfinished.stream, unfinished.ended, Buffer.concat(parts), 0, unfinished.size)
  }
}
