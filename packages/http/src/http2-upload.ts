import type { Link } from '@proxy/kernel'
import { latin1 } from './bytes.ts'
import type { Field } from './http2-field.ts'
import { trailerPairs } from './http2-head.ts'
import { smallBody } from './joined-write.ts'

/** The body of a request from HTTP/2 on its way to an HTTP/1.1 backend, with the head that goes before it. */
export class Http2Upload {
  readonly #link: Link
  readonly #chunked: boolean
  /** '' once it is sent. */
  #head: string

  /** `chunked`: the length of the body is not known. */
  constructor(link: Link, head: string, chunked: boolean) {
    this.#link = link
    this.#head = head
    this.#chunked = chunked
  }

  /** The head waits for the first of the body, to go with it. */
  get waits(): boolean {
    return this.#head !== ''
  }

  /** Sends a head that waits. */
  flush(): void {
    if (this.#head !== '') this.#link.write(this.#head)
    this.#head = ''
  }

  /** Small chunks go in one write with what frames them. False: wait for the backend. */
  send(bytes: Buffer, start: number, end: number): boolean {
    const head = this.#head + (this.#chunked ? `${(end - start).toString(16)}\r\n` : '')
    const tail = this.#chunked ? '\r\n' : ''
    const link = this.#link
    this.#head = ''
    if (head !== '' && end - start <= smallBody) return link.write(head + latin1(bytes, start, end) + tail)
    if (head !== '') link.write(head)
    const ready = link.write(bytes.subarray(start, end))
    return this.#chunked ? link.write(tail) : ready
  }

  end(trailers: readonly Field[]): void {
    this.flush()
    if (!this.#chunked) return
    const lines = trailerPairs(trailers).map(([name, value]) => `${name}: ${value}\r\n`)
    this.#link.write(`0\r\n${lines.join('')}\r\n`)
  }
}
