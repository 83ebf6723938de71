import type { Duplex } from 'node:stream'
import type { Address, Link, LinkHandler } from '../contracts.ts'
import { largeBuffers, smallBuffers } from './write-buffers.ts'

const LINK: unique symbol = Symbol('link')

/** A Duplex that knows its link, so that one set of listener functions serves every connection. */
export interface LinkedDuplex extends Duplex {
  [LINK]?: StreamLink
}

export function linkOf(duplex: LinkedDuplex): StreamLink {
  return duplex[LINK] as StreamLink
}

function onData(this: LinkedDuplex, bytes: Buffer): void {
  linkOf(this).deliver(bytes)
}

function onEnd(this: LinkedDuplex): void {
  linkOf(this).deliverEnd()
}

function onDrain(this: LinkedDuplex): void {
  linkOf(this).deliverDrain()
}

function onError(this: LinkedDuplex, error: Error): void {
  linkOf(this).failure = error
}

function onClose(this: LinkedDuplex): void {
  linkOf(this).deliverClose()
}

/**
 * A link over any Node Duplex. Node's own sockets use the subclass in `node-link.ts`, which reads without allocating;
 * this one serves what is left: TLS sockets and whatever else a third party brings.
 */
export class StreamLink implements Link {
  readonly duplex: LinkedDuplex
  failure: Error | undefined = undefined
  protected handler: LinkHandler | undefined = undefined
  protected paused = true
  protected given = false
  /** Nothing more is written: ended by us, or destroyed. */
  protected finished = false
  /** No `write` has said stop since the last drain. */
  protected ready = true
  #ended = false
  #heldBytes: Buffer | undefined = undefined
  #heldEnd = false
  #closed = false
  #lent: Buffer[] | undefined = undefined
  #returned: (() => void) | undefined = undefined
  #onceClosed: (() => void) | undefined = undefined
  readonly #inner: Link | undefined

  /** `inner` is the link underneath (the encrypted one, say): it lends its addresses and is closed along. */
  constructor(duplex: Duplex, inner: Link | undefined) {
    this.duplex = duplex
    this.#inner = inner
    this.duplex[LINK] = this
    this.listen()
    duplex.on('end', onEnd)
    duplex.on('drain', onDrain)
    duplex.on('error', onError)
    duplex.on('close', onClose)
  }

  get remote(): Address {
    return this.#inner?.remote ?? { host: '', port: 0 }
  }

  get local(): Address {
    return this.#inner?.local ?? { host: '', port: 0 }
  }

  get bytesRead(): number {
    return this.#inner?.bytesRead ?? 0
  }

  get bytesWritten(): number {
    return this.#inner?.bytesWritten ?? 0
  }

  get ended(): boolean {
    return this.#ended
  }

  get closed(): boolean {
    return this.#closed
  }

  get writable(): boolean {
    return this.ready
  }

  attach(handler: LinkHandler): void {
    this.handler = handler
  }

  write(bytes: Uint8Array | string): boolean {
    if (this.finished || this.#closed || bytes.length === 0) return this.ready
    if (typeof bytes === 'string') this.ready = this.duplex.write(bytes, 'latin1')
    else if (bytes.length > smallBuffers.size && bytes.length <= largeBuffers.size) this.ready = this.#writeLent(bytes)
    else this.ready = this.duplex.write(Buffer.from(bytes))
    return this.ready
  }

  pause(): void {
    if (this.paused) return
    this.paused = true
    this.duplex.pause()
  }

  resume(): void {
    if (!this.paused || this.given) return
    this.paused = false
    if (this.#heldBytes !== undefined || this.#heldEnd) queueMicrotask(() => this.#deliverHeld())
    if (!this.#heldEnd) this.startReading()
  }

  end(): void {
    if (this.finished) return
    this.finished = true
    this.duplex.end()
  }

  destroy(reset?: boolean): void {
    this.finished = true
    if (reset === true && this.#inner !== undefined) this.#inner.destroy(true)
    this.duplex.destroy()
  }

  onceClosed(listener: () => void): void {
    if (this.#closed) listener()
    else this.#onceClosed = listener
  }

  socket(unread?: Uint8Array): Duplex {
    this.given = true
    this.duplex.off('data', onData)
    this.duplex.off('end', onEnd)
    this.duplex.off('drain', onDrain)
    if (this.#heldBytes !== undefined) this.duplex.unshift(this.#heldBytes)
    if (unread !== undefined && unread.length > 0) this.duplex.unshift(unread)
    return this.duplex
  }

  /** False: the link is paused; the bytes are held, and reading must stop. */
  deliver(bytes: Buffer): boolean {
    if (this.paused) {
      this.#heldBytes = this.#heldBytes === undefined ? Buffer.from(bytes) : Buffer.concat([this.#heldBytes, bytes])
      return false
    }
    this.handler?.onData(this, bytes)
    return true
  }

  /** A FIN that was read before `pause` is held until `resume`. */
  deliverEnd(): void {
    if (this.#ended || this.#closed) return
    if (this.paused) {
      this.#heldEnd = true
      return
    }
    this.#ended = true
    this.handler?.onEnd(this)
  }

  deliverDrain(): void {
    this.ready = true
    if (!this.#closed) this.handler?.onDrain(this)
  }

  deliverClose(): void {
    if (this.#closed) return
    this.#closed = true
    this.#inner?.destroy()
    this.handler?.onClose(this, this.failure)
    this.handler = undefined
    this.#onceClosed?.()
  }

  /** Writes are done in order, failed ones included: the first buffer lent is the first to come back. */
  #writeLent(bytes: Uint8Array): boolean {
    const lent = (this.#lent ??= [])
    this.#returned ??= () => largeBuffers.giveBack(lent.shift() as Buffer)
    const buffer = largeBuffers.borrow()
    buffer.set(bytes)
    lent.push(buffer)
    return this.duplex.write(buffer.subarray(0, bytes.length), this.#returned)
  }

  #deliverHeld(): void {
    if (this.paused || this.given || this.duplex.destroyed) return
    const bytes = this.#heldBytes
    this.#heldBytes = undefined
    if (bytes !== undefined) this.handler?.onData(this, bytes)
    if (this.#heldEnd && !this.paused) this.deliverEnd()
  }

  protected listen(): void {
    this.duplex.pause()
    this.duplex.on('data', onData)
  }

  protected startReading(): void {
    this.duplex.resume()
  }
}
