import { CR, DOT, LF, NUL } from './wire.ts'

/** Bytes from which on a look at all of them at once pays. */
const many = 1_024
/** What is not just the text of a line or the end of one whose successor begins without a dot. */
const odd = /\r(?!\n[^.])|(?<!\r)\n|\0/

const LINE_START = 0
const TEXT = 1
const AFTER_CR = 2
const AFTER_DOT = 3
const AFTER_DOT_CR = 4

/**
 * Finds the end of a message's content (RFC 5321 section 4.1.1.4): CRLF.CRLF, and nothing else. What other
 * programs might take for it (a bare LF or CR, a NUL that is left out) makes the content invalid, so that no two of them
 * can disagree about where a message ends (CVE-2023-51764 to 51766).
 */
export class DataScanner {
  #state = LINE_START
  /** Why the content is invalid, after a scan that says so. */
  fault = ''

  /** A new message begins. */
  begin(): void {
    this.#state = LINE_START
    this.fault = ''
  }

  /** The offset behind the end of the content; 0 = all of it is content; -1 = invalid, see {@link fault}. */
  scan(bytes: Buffer, at: number): number {
    let i = at
    let whole = bytes.length - at >= many
    while (i < bytes.length) {
      switch (this.#state) {
        case LINE_START:
          this.#state = TEXT
          if (bytes[i] !== DOT) break
          this.#state = AFTER_DOT
          i++
          break
        case AFTER_DOT:
          this.#state = TEXT
          if (bytes[i] !== CR) break
          this.#state = AFTER_DOT_CR
          i++
          break
        case AFTER_DOT_CR:
          return bytes[i] === LF ? i + 1 : this.#invalid('bare CR is not allowed')
        case AFTER_CR:
          if (bytes[i++] !== LF) return this.#invalid('bare CR is not allowed')
          this.#state = LINE_START
          break
        default:
          // Once a scan: many dots would make many looks.
          if (whole) i = firstOdd(bytes, i)
          whole = false
          i = this.#text(bytes, i)
          if (i < 0) return i
      }
    }
    return 0
  }

  /** Reads lines until something has to be looked at closely: behind a CR, or at the end of the bytes. */
  #text(bytes: Buffer, at: number): number {
    const last = bytes.length - 2
    let i = at
    for (;;) {
      i = nextControl(bytes, i)
      if (i === bytes.length) return i
      const byte = bytes[i]
      if (byte === CR) {
        const isOrdinary = i < last && bytes[i + 1] === LF && bytes[i + 2] !== DOT
        if (!isOrdinary) {
          this.#state = AFTER_CR
          return i + 1
        }
        i += 2
      } else if (byte === LF) return this.#invalid('bare LF is not allowed')
      else if (byte === NUL) return this.#invalid('NUL is not allowed')
      else i++
    }
  }

  #invalid(fault: string): number {
    this.fault = fault
    return -1
  }
}

/** Every byte of all mail comes through here. A regular expression is three times as fast as a loop. */
function firstOdd(bytes: Buffer, at: number): number {
  const match = odd.exec(bytes.toString('latin1', at))
  return match === null ? bytes.length : at + match.index
}

/** The offset of the next byte up to CR, among which are all that matter, or the end. */
function nextControl(bytes: Buffer, at: number): number {
  let i = at
  while (i < bytes.length && bytes[i]! > CR) i++
  return i
}
