import type { Duplex } from 'node:stream'
import type { Address, Link, LinkHandler } from '@proxy/kernel'
import { type Bytes, toBuffer } from '../bytes.ts'
import { LinkDuplex } from '../memory-socket.ts'
import { dataRecord, open, recordLength, seal, type TestRecord } from './records.ts'

/** A link whose bytes travel in records on another link. A byte that is no record breaks it off. */
export class RecordLink implements Link, LinkHandler {
  bytesRead = 0
  bytesWritten = 0
  ended = false
  closed = false
  readonly #inner: Link
  #handler: LinkHandler | undefined = undefined
  /** Receives everything once the link was given away; the handler then hears of the end only. */
  #stream: LinkHandler | undefined = undefined
  #paused = true
  #unread: Buffer
  #innerEnded: boolean
  #failure: Error | undefined = undefined

  /** Takes over `inner`; `unread` are bytes that were read from it already. */
  constructor(inner: Link, unread: Buffer) {
    this.#inner = inner
    this.#unread = Buffer.from(unread)
    this.#innerEnded = inner.ended
    this.closed = inner.closed
    inner.attach(this)
  }

  get remote(): Address {
    return this.#inner.remote
  }

  get local(): Address {
    return this.#inner.local
  }

  get writable(): boolean {
    return this.#inner.writable
  }

  attach(handler: LinkHandler): void {
    this.#handler = handler
  }

  write(bytes: Bytes): boolean {
    const content = toBuffer(bytes)
    this.bytesWritten += content.length
    return content.length === 0 ? this.writable : this.#inner.write(seal(dataRecord, content))
  }

  pause(): void {
    this.#paused = true
    this.#inner.pause()
  }

  resume(): void {
    this.#paused = false
    this.#inner.resume()
    queueMicrotask(() => this.#deliver())
  }

  end(): void {
    this.#inner.end()
  }

  destroy(reset?: boolean): void {
    this.#inner.destroy(reset)
  }

  socket(unread?: Uint8Array): Duplex {
    const duplex = new LinkDuplex(this, unread)
    this.#stream = duplex.handler
    return duplex
  }

  onData(_link: Link, bytes: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, bytes])
    this.#deliver()
  }

  onDrain(): void {
    this.#receiver?.onDrain(this)
  }

  onEnd(): void {
    this.#innerEnded = true
    this.#deliver()
  }

  onClose(_link: Link, error: Error | undefined): void {
    this.closed = true
    const failure = this.#failure ?? error
    this.#stream?.onClose(this, failure)
    this.#handler?.onClose(this, failure)
  }

  get #receiver(): LinkHandler | undefined {
    return this.#stream ?? this.#handler
  }

  #deliver(): void {
    while (!this.#paused && !this.#inner.closed && this.#receiver !== undefined) {
      const record = this.#take()
      if (record === undefined) break
      this.bytesRead += record.content.length
      this.#receiver.onData(this, record.content)
    }
    this.#deliverEnd()
  }

  #deliverEnd(): void {
    if (!this.#innerEnded || this.ended || this.#paused || this.#unread.length > 0 || this.#inner.closed) return
    this.ended = true
    this.#receiver?.onEnd(this)
  }

  #take(): TestRecord | undefined {
    try {
      const length = recordLength(this.#unread)
      if (length === 0 || length > this.#unread.length) return undefined
      const record = open(this.#unread.subarray(0, length))
      this.#unread = this.#unread.subarray(length)
      return record
    } catch (error) {
      this.#failure = error as Error
      this.#unread = Buffer.alloc(0)
      this.#inner.destroy()
      return undefined
    }
  }
}
