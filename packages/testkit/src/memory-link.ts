import type { Duplex } from 'node:stream'
import type { Address, Link, LinkHandler } from '@proxy/kernel'
import { type Bytes, toBuffer } from './bytes.ts'
import { LinkDuplex } from './memory-socket.ts'

/**
 * How the bytes of a stream arrive: how many of the `available` ones at `offset` come with the next `onData`.
 * Less than one is taken as one.
 */
export type Splitter = (offset: number, available: number) => number

export interface MemoryLinkOptions {
  readonly remote: Address
  readonly local: Address
  /** Bytes that an end takes in before its handler has had them; what a sender has beyond that waits with the sender. */
  readonly windowBytes: number
}

/** Poison for buffers that were lent: whoever keeps one reads this. */
const scribble = 0xdb
const largestRead = 65_536

export const connectionReset = (): NodeJS.ErrnoException =>
  Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })

/**
 * One end of a stream in memory that behaves as a TCP socket does, and is stricter where the contract allows:
 * every event comes in a turn of its own, and a buffer is overwritten when `onData` returns.
 */
export class MemoryLink implements Link {
  readonly remote: Address
  readonly local: Address
  bytesRead = 0
  bytesWritten = 0
  ended = false
  closed = false
  splitter: Splitter | undefined = undefined
  /** The connection breaks as soon as this end has read so many bytes. */
  resetAfterBytes: number = Number.POSITIVE_INFINITY
  /** Called when the link is done with: every event was delivered. */
  onGone: (() => void) | undefined = undefined
  readonly #windowBytes: number
  #peer: MemoryLink | undefined = undefined
  #handler: LinkHandler | undefined = undefined
  /** That of the stream which `socket` gave: gets everything from then on. */
  #stream: LinkHandler | undefined = undefined
  #paused = true
  #scheduled = false
  #incoming: Buffer[] = []
  #incomingBytes = 0
  #outgoing: Buffer[] = []
  #blocked = false
  #drained = false
  #finQueued = false
  #finSent = false
  #finReceived = false
  #failure: Error | undefined = undefined
  #gone = false
  #onceClosed: (() => void) | undefined = undefined

  constructor(options: MemoryLinkOptions) {
    this.remote = options.remote
    this.local = options.local
    this.#windowBytes = options.windowBytes
  }

  static connect(one: MemoryLink, other: MemoryLink): void {
    one.#peer = other
    other.#peer = one
  }

  get writable(): boolean {
    return !this.#blocked
  }

  /** Bytes that were written and that the other end has no room for. */
  get queuedBytes(): number {
    return this.#outgoing.reduce((sum, bytes) => sum + bytes.length, 0)
  }

  /** Bytes written here that the other end's handler has had. */
  get delivered(): number {
    return (this.#peer as MemoryLink).bytesRead
  }

  attach(handler: LinkHandler): void {
    this.#handler = handler
    this.#schedule()
  }

  write(bytes: Bytes): boolean {
    if (this.closed || this.#finQueued) return true
    const peer = this.#peer as MemoryLink
    if (peer.closed) {
      this.#break(connectionReset())
      return true
    }
    const copy = toBuffer(bytes)
    this.bytesWritten += copy.length
    if (copy.length > 0) this.#outgoing.push(copy)
    this.#transfer()
    if (this.#outgoing.length > 0) this.#blocked = true
    return !this.#blocked
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#schedule()
  }

  end(): void {
    if (this.closed || this.#finQueued) return
    this.#finQueued = true
    this.#transfer()
  }

  destroy(reset = false): void {
    if (this.closed) return
    this.#close()
    const peer = this.#peer as MemoryLink
    if (reset || (peer.#outgoing.length > 0 && !peer.closed)) peer.#break(connectionReset())
    else peer.#receiveFin()
  }

  onceClosed(listener: () => void): void {
    if (this.#gone) listener()
    else this.#onceClosed = listener
  }

  socket(unread?: Uint8Array): Duplex {
    const duplex = new LinkDuplex(this, unread)
    this.#stream = duplex.handler
    this.#schedule()
    return duplex
  }

  get #receiver(): LinkHandler | undefined {
    return this.#stream ?? this.#handler
  }

  #close(): void {
    this.closed = true
    this.#incoming = []
    this.#incomingBytes = 0
    this.#outgoing = []
    this.#schedule()
  }

  #break(error: Error): void {
    if (this.closed) return
    this.#failure = error
    this.#close()
  }

  #receiveFin(): void {
    this.#finReceived = true
    this.#schedule()
  }

  /** Moves what the other end has room for. */
  #transfer(): void {
    const peer = this.#peer as MemoryLink
    let room = peer.#windowBytes - peer.#incomingBytes
    while (room > 0) {
      const first = this.#outgoing.shift()
      if (first === undefined) break
      const part = first.subarray(0, room)
      if (part.length < first.length) this.#outgoing.unshift(first.subarray(room))
      peer.#receive(part)
      room -= part.length
    }
    if (this.#outgoing.length === 0) this.#emptied(peer)
  }

  #emptied(peer: MemoryLink): void {
    if (this.#blocked) this.#drained = true
    if (this.#finQueued && !this.#finSent) {
      this.#finSent = true
      peer.#receiveFin()
    }
    this.#schedule()
  }

  #receive(bytes: Buffer): void {
    if (this.closed) return
    this.#incoming.push(bytes)
    this.#incomingBytes += bytes.length
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled || this.#gone) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#run()
    })
  }

  /** At most one event of each kind; whatever is left has the next turn. */
  #run(): void {
    if (!this.closed && this.#drained) this.#deliverDrain()
    if (!this.closed && !this.#paused) this.#deliverInput()
    if (!this.closed && this.ended && this.#finSent) this.#close()
    if (this.closed) this.#deliverClose()
  }

  #deliverDrain(): void {
    this.#drained = false
    this.#blocked = false
    this.#receiver?.onDrain(this)
  }

  #deliverInput(): void {
    if (this.#incomingBytes > 0) {
      if (this.#receiver !== undefined) this.#deliverData(this.#receiver)
      return
    }
    if (!this.#finReceived || this.ended) return
    this.ended = true
    this.#receiver?.onEnd(this)
  }

  #deliverData(handler: LinkHandler): void {
    const lent = this.#take()
    this.bytesRead += lent.length
    handler.onData(this, lent)
    lent.fill(scribble)
    if (this.bytesRead >= this.resetAfterBytes) this.#breakBoth()
    if (this.closed) return
    ;(this.#peer as MemoryLink).#windowOpened()
    this.#schedule()
  }

  #windowOpened(): void {
    if (!this.closed) this.#transfer()
  }

  #take(): Buffer {
    const available = Math.min(this.#incomingBytes, largestRead, Math.max(1, this.resetAfterBytes - this.bytesRead))
    const wanted = this.splitter === undefined ? available : this.splitter(this.bytesRead, available)
    const length = Math.max(1, Math.min(available, Math.floor(wanted)))
    const all = this.#incoming.length === 1 ? (this.#incoming[0] as Buffer) : Buffer.concat(this.#incoming)
    const rest = all.subarray(length)
    this.#incoming = rest.length === 0 ? [] : [rest]
    this.#incomingBytes = rest.length
    return Buffer.from(all.subarray(0, length))
  }

  #breakBoth(): void {
    const peer = this.#peer as MemoryLink
    peer.#break(connectionReset())
    this.#break(connectionReset())
  }

  #deliverClose(): void {
    if (this.#gone) return
    this.#gone = true
    this.#stream?.onClose(this, this.#failure)
    this.#handler?.onClose(this, this.#failure)
    this.onGone?.()
    this.#onceClosed?.()
  }
}
