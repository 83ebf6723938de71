import { Duplex } from 'node:stream'
import type { Link, LinkHandler } from '@proxy/kernel'

type Done = (error?: Error | null) => void

/** A Node stream over a link, for consumers that need one (TLS, HTTP/2). */
export class LinkDuplex extends Duplex {
  readonly handler: LinkHandler
  readonly #link: Link
  #drained: Done | undefined = undefined

  constructor(link: Link, unread?: Uint8Array) {
    super({ allowHalfOpen: true })
    this.#link = link
    this.handler = {
      onData: (_link, bytes) => this.#data(bytes),
      onDrain: () => this.#drain(),
      onEnd: () => void this.push(null),
      onClose: (_link, error) => this.#closed(error),
    }
    if (unread !== undefined && unread.length > 0) this.push(Buffer.from(unread))
    if (link.ended) this.push(null)
    if (link.closed) this.destroy()
  }

  override _read(): void {
    this.#link.resume()
  }

  override _write(bytes: Uint8Array, _encoding: BufferEncoding, done: Done): void {
    if (this.#link.write(bytes)) done()
    else this.#drained = done
  }

  override _final(done: Done): void {
    this.#link.end()
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#link.destroy()
    this.#drain()
    done(error)
  }

  #data(bytes: Buffer): void {
    if (!this.push(Buffer.from(bytes))) this.#link.pause()
  }

  #drain(): void {
    const done = this.#drained
    this.#drained = undefined
    done?.()
  }

  /** In order, the stream still has its last bytes to give; only a break ends it at once. */
  #closed(error: Error | undefined): void {
    if (error !== undefined) this.destroy(error)
    else if (!this.#link.ended) this.destroy()
  }
}
