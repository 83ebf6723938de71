import type { Link } from '@proxy/kernel'
import { latin1 } from './bytes.ts'
import { isVerbatim, responseHead } from './headers.ts'
import type { MessageHead } from './message.ts'

/** A head and a body up to this size leave in one write. */
export const smallBody = 12_288

/** The response in progress on a client connection: writes it, and remembers how far it is. */
export class ResponseWriter {
  /** The head is written. */
  begun = false
  /** 0: there is none yet. */
  status = 0
  /** Written so far. */
  bytes = 0
  readonly #link: Link

  constructor(link: Link) {
    this.#link = link
  }

  reset(): void {
    this.begun = false
    this.status = 0
    this.bytes = 0
  }

  /** 1xx. */
  interim(head: MessageHead, bytes: Buffer): void {
    if (isVerbatim(head)) this.write(bytes, head.start, head.end)
    else this.text(responseHead(head, bytes, '', false))
  }

  /**
   * The head with the body up to `bodyEnd`; the same bytes where nothing has to change. `added` holds whole lines.
   * False: wait for the client.
   */
  head(head: MessageHead, bytes: Buffer, bodyEnd: number, added: string, unframed: boolean): boolean {
    this.begun = true
    this.status = head.status
    if (added === '' && isVerbatim(head)) return this.write(bytes, head.start, bodyEnd)
    const text = responseHead(head, bytes, added, unframed)
    if (bodyEnd === head.end) return this.text(text)
    if (bodyEnd - head.end <= smallBody) return this.text(text + latin1(bytes, head.end, bodyEnd))
    this.text(text)
    return this.write(bytes, head.end, bodyEnd)
  }

  write(bytes: Buffer, start: number, end: number): boolean {
    if (start === end) return true
    this.bytes += end - start
    return this.#link.write(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end))
  }

  text(text: string): boolean {
    this.bytes += text.length
    return this.#link.write(text)
  }
}
