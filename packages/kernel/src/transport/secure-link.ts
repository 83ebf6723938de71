import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { Link } from '../contracts.ts'
import { canReadIntoShared, readBuffer, readIntoShared } from './node-link.ts'
import { StreamLink } from './stream-link.ts'
import { smallBuffers } from './write-buffers.ts'

/**
 * Links that have gathered bytes. They are encrypted and sent when everything that is ready has been read: a peer that is
 * awake already costs less to send to, and what a handler writes piece by piece is one record.
 */
let gathered: SecureLink[] = []

function flushAll(): void {
  const links = gathered
  gathered = []
  for (const link of links) link.flush()
}

/** A link over a TLS socket: reads go into the shared buffer, small writes of one turn are one. */
export class SecureLink extends StreamLink {
  #buffer: Buffer | undefined = undefined
  #length = 0

  /** `canReadIntoShared(socket)` must hold. */
  constructor(socket: TLSSocket, inner: Link) {
    super(socket, inner)
    // What was decrypted before anybody listened.
    const early = socket.readableLength > 0 ? (socket.read() as Buffer | null) : null
    readIntoShared(socket)
    if (early !== null) this.deliver(early)
  }

  override write(bytes: Uint8Array | string): boolean {
    if (this.given || bytes.length > smallBuffers.size) {
      this.flush()
      return super.write(bytes)
    }
    if (this.finished || this.closed || bytes.length === 0) return this.ready
    const buffer = this.#room(bytes.length)
    if (typeof bytes === 'string') buffer.write(bytes, this.#length, 'latin1')
    else buffer.set(bytes, this.#length)
    this.#length += bytes.length
    return this.ready
  }

  override end(): void {
    this.flush()
    super.end()
  }

  override destroy(reset?: boolean): void {
    if (reset !== true) this.flush()
    super.destroy(reset)
  }

  override socket(unread?: Uint8Array): Duplex {
    this.flush()
    return super.socket(unread)
  }

  /** Bytes are in the shared buffer. False stops the reading. */
  accept(length: number): boolean {
    const bytes = readBuffer.subarray(0, length)
    return this.given ? this.duplex.push(Buffer.from(bytes)) : this.deliver(bytes)
  }

  /** Hands what is gathered to the socket. */
  flush(): void {
    const buffer = this.#buffer
    if (buffer === undefined) return
    this.#buffer = undefined
    const bytes = buffer.subarray(0, this.#length)
    this.#length = 0
    if (!this.closed) this.ready = this.duplex.write(bytes, () => smallBuffers.giveBack(buffer))
  }

  #room(length: number): Buffer {
    if (this.#buffer !== undefined && this.#length + length > smallBuffers.size) this.flush()
    if (this.#buffer === undefined) {
      this.#buffer = smallBuffers.borrow()
      if (gathered.push(this) === 1) setImmediate(flushAll)
    }
    return this.#buffer
  }

  protected override listen(): void {
    // Nothing: bytes do not come as events.
  }
}

/** A TLS socket of Node which this runtime lets us read without its stream. */
export function canLinkSecurely(duplex: Duplex): duplex is TLSSocket {
  return 'encrypted' in duplex && canReadIntoShared(duplex as TLSSocket)
}
