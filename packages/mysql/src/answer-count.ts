import { headerBytes } from './wire.ts'

/**
 * Counts the answers that a backend has begun, by the first packet of each, which is numbered 1. It looks at nothing but the headers of
 * packets, in any split.
 */
export class AnswerCount {
  begun = 0
  /** Bytes of the packet under way that are still to come. */
  #left = 0
  /** The part of a header that has come. */
  #head = 0
  #headLength = 0
  #lastSequence = -1

  take(bytes: Buffer): void {
    let at = this.#left
    while (at < bytes.length) {
      if (this.#headLength === 0 && bytes.length - at >= headerBytes) {
        this.#note(bytes[at + 3]!)
        at += headerBytes + (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16))
      } else {
        at = this.#piecewise(bytes, at)
      }
    }
    this.#left = at - bytes.length
  }

  /** A header that is cut, byte by byte. */
  #piecewise(bytes: Buffer, at: number): number {
    if (this.#headLength < headerBytes - 1) {
      this.#head |= bytes[at]! << (8 * this.#headLength++)
      return at + 1
    }
    const length = this.#head
    this.#note(bytes[at]!)
    this.#head = this.#headLength = 0
    return at + 1 + length
  }

  /** Behind a packet that is numbered 0 it is the count of a long answer that comes round. */
  #note(sequence: number): void {
    if (sequence === 1 && this.#lastSequence !== 0) this.begun++
    this.#lastSequence = sequence
  }
}
