import { CR, DOT, LF, NUL } from './wire.ts'

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
    const end = this.#findEnd(bytes, at)
    if (end < 0) return end
    const nul = bytes.indexOf(NUL, at)
    return nul >= 0 && (end === 0 || nul < end) ? this.#invalid('NUL is not allowed') : end
  }

  #findEnd(bytes: Buffer, at: number): number {
    let i = at
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
          i = this.#endOfLine(bytes, i)
          if (i < 0) return i
      }
    }
    return 0
  }

  /** Behind the CR of the line, or the end of the bytes. */
  #endOfLine(bytes: Buffer, at: number): number {
    const cr = bytes.indexOf(CR, at)
    const lf = bytes.indexOf(LF, at)
    if (lf >= 0 && (cr < 0 || lf < cr)) return this.#invalid('bare LF is not allowed')
    if (cr < 0) return bytes.length
    this.#state = AFTER_CR
    return cr + 1
  }

  #invalid(fault: string): number {
    this.fault = fault
    return -1
  }
}
