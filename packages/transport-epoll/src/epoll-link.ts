import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Address, Link, LinkHandler } from '@proxy/kernel'
import { BROKEN, EAGAIN, ECONNRESET, EINTR, EPOLLET, EPOLLIN, EPOLLOUT, READING, SHUT_WR } from './constants.ts'
import { GivenSocket } from './given-socket.ts'
import type { HeldWrites, Holder } from './held-writes.ts'
import type { Block } from './memory.ts'
import { Outbox } from './outbox.ts'
import type { Deferred, Eager, Pollable, Poller } from './poller.ts'
import type { SocketCalls } from './socket-calls.ts'
import { systemError } from './system.ts'

/** What all links of a transport share. */
export interface LinkContext {
  readonly calls: SocketCalls
  readonly poller: Poller
  readonly held: HeldWrites
}

const NOWHERE: Address = { host: '', port: 0 }
/** The descriptor is not in the poller. */
const ABSENT = -1

/**
 * A connected socket, without a socket of Node's. The poller tells once of what becomes ready, so the link remembers it until
 * the system has said that there is no more: pausing and resuming are no system calls then. Reading is given up only when bytes
 * come twice in one pause, and writing is asked for from the first time on that the system took less than all.
 *
 * Invariant: unless the link is paused or at its end, it is in the poller for reading, or queued there, when a call into it returns.
 */
export class EpollLink implements Link, Pollable, Eager, Deferred, Holder {
  readonly remote: Address
  readonly #context: LinkContext
  readonly #fd: number
  #handler: LinkHandler | undefined = undefined
  #asked: number
  #paused = true
  /** There may be something to read of which the poller does not tell again. */
  #unread: boolean
  /** A read that gives less than it may is not the last: the peer's FIN is behind it, or urgent data has been. */
  #thorough = false
  #queued = false
  #ended = false
  /** Nothing more is written: ended by us, or destroyed. */
  #finished = false
  /** The latest writes wait for the end of the batch. */
  #held = false
  #closing = false
  #closed = false
  #error: Error | undefined = undefined
  #outbox: Outbox | undefined = undefined
  #local: Address | undefined = undefined
  #bytesRead = 0
  #bytesWritten = 0
  #given: GivenSocket | undefined = undefined
  #onceClosed: (() => void) | undefined = undefined

  /**
   * `fd` is a connected socket that does not block; the link closes it. `unread`: it is read before the poller is asked, as a
   * client has mostly sent something by the time that it is accepted. `asked`: what the poller reports of it already.
   */
  constructor(fd: number, context: LinkContext, remote: Address, unread: boolean, asked: number = ABSENT) {
    this.#fd = fd
    this.#context = context
    this.remote = remote
    this.#unread = unread
    this.#asked = asked
  }

  get local(): Address {
    return (this.#local ??= (this.#open && this.#context.calls.localAddress(this.#fd)) || NOWHERE)
  }

  get bytesRead(): number {
    return this.#bytesRead + (this.#given?.bytesRead ?? 0)
  }

  get bytesWritten(): number {
    return this.#bytesWritten + (this.#given?.bytesWritten ?? 0)
  }

  get ended(): boolean {
    return this.#ended
  }

  get closed(): boolean {
    return this.#closed
  }

  get writable(): boolean {
    return this.#outbox === undefined
  }

  attach(handler: LinkHandler): void {
    this.#handler = handler
  }

  write(bytes: Uint8Array | string): boolean {
    if (this.#finished || bytes.length === 0) return this.writable
    if (this.#given !== undefined) return this.#given.write(bytes)
    this.#bytesWritten += bytes.length
    if (this.#outbox === undefined && this.#context.held.take(this, bytes)) {
      this.#held = true
      return true
    }
    this.#letGo()
    return this.#send(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  sendHeld(from: Block, start: number, length: number): void {
    this.#held = false
    // Another's write stood between two of ours, and of the first one some is left: this one must not overtake it.
    if (this.#outbox !== undefined || this.#closing) return void this.#send(from.bytes.subarray(start, start + length))
    const sent = this.#context.calls.sendFrom(this.#fd, from, start, length)
    if (sent !== length) this.#unsent(from.bytes.subarray(start, start + length), sent)
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused || this.#given !== undefined) return
    this.#paused = false
    this.#readOn()
  }

  end(): void {
    this.#letGo()
    if (this.#finished) return
    this.#finished = true
    if (this.#given !== undefined) this.#given.end()
    else if (this.#outbox === undefined) this.#sendFin()
  }

  destroy(reset?: boolean): void {
    this.#letGo()
    if (this.#closing || this.#closed) return
    this.#finished = true
    if (this.#given !== undefined) return this.#given.destroy(reset === true)
    if (reset === true) this.#context.calls.resetOnClose(this.#fd)
    this.#close(undefined)
  }

  onceClosed(listener: () => void): void {
    if (this.#closed) listener()
    else this.#onceClosed = listener
  }

  socket(unread?: Uint8Array): Duplex {
    this.#letGo()
    this.#leavePoller()
    const socket = new Socket({ fd: this.#fd, allowHalfOpen: true, readable: true, writable: true })
    this.#given = new GivenSocket(socket, (error) => this.#gone(error ?? this.#error))
    if (this.#outbox !== undefined) socket.write(this.#outbox.take())
    this.#outbox = undefined
    if (this.#finished) socket.end()
    if (unread !== undefined && unread.length > 0) socket.unshift(unread)
    return socket
  }

  onReady(events: number): void {
    if ((events & EPOLLOUT) !== 0 && this.#outbox !== undefined) this.#flush(this.#outbox)
    if ((events & (READING | BROKEN)) === 0 || this.#closing) return
    if ((events & ~(EPOLLIN | EPOLLOUT)) !== 0) this.#thorough = true
    if (this.#ended) this.#rest(events)
    else if (this.#paused) this.#missed()
    else this.#read()
  }

  onTurn(): void {
    this.#queued = false
    if (this.#unread && !this.#paused && !this.#ended && this.#open && this.#given === undefined) this.#read()
  }

  /** The descriptor goes now, as no event can name it any more. */
  onSettled(): void {
    if (this.#given !== undefined) return this.#given.destroy(false)
    this.#context.calls.system.close(this.#fd)
    this.#gone(this.#error)
  }

  get #open(): boolean {
    return !this.#closing && !this.#closed
  }

  #read(): void {
    const { calls } = this.#context
    const length = calls.receive(this.#fd)
    if (length === 0) return this.#readEnd()
    this.#unread = length === -EINTR || (length !== -EAGAIN && (this.#thorough || calls.filled(length)))
    if (length > 0) {
      this.#bytesRead += length
      this.#handler?.onData(this, calls.received(length))
    } else if (length !== -EAGAIN && length !== -EINTR) return this.#close(systemError(-length, 'read'))
    if (!this.#paused) this.#readOn()
  }

  /** Queues the link where there is something to read, else waits for it. */
  #readOn(): void {
    if (!this.#unread || this.#ended) return this.#ask()
    if (this.#queued) return
    this.#queued = true
    this.#context.poller.queue(this)
  }

  #readEnd(): void {
    this.#ended = true
    this.#handler?.onEnd(this)
    this.#closeWhenDone()
    this.#ask()
  }

  /** Behind the peer's FIN there is nothing to read, but a reset may come: reading would give the FIN again. */
  #rest(events: number): void {
    if ((events & BROKEN) === 0) return
    this.#close(systemError(this.#context.calls.pendingError(this.#fd) || ECONNRESET, 'read'))
  }

  /** Bytes, or the end of the connection, wait for a `resume`; a second time would be one of many. */
  #missed(): void {
    if (this.#unread) this.#watch(this.#asked & ~READING)
    this.#unread = true
  }

  /** Has the poller report what is waited for. */
  #ask(): void {
    if (this.#closing || this.#given !== undefined) return
    const reading = this.#paused || this.#ended ? 0 : READING
    this.#watch(
      (this.#asked === ABSENT ? EPOLLET : this.#asked) | reading | (this.#outbox === undefined ? 0 : EPOLLOUT),
    )
  }

  #watch(wanted: number): void {
    if (wanted === this.#asked) return
    const { poller } = this.#context
    if (this.#asked === ABSENT) poller.add(this.#fd, this, wanted)
    else poller.change(this.#fd, wanted)
    this.#asked = wanted
  }

  /** Nothing is held any more that something else could overtake; it may have failed, and closed the link. */
  #letGo(): void {
    if (this.#held) this.#context.held.flush()
  }

  #send(bytes: Uint8Array): boolean {
    if (this.#closing) return false
    if (this.#outbox !== undefined) {
      this.#outbox.push(bytes)
      return false
    }
    const sent = this.#context.calls.send(this.#fd, bytes)
    return sent === bytes.length || this.#unsent(bytes, sent)
  }

  /** The system took less than all; false, as `write` says it. */
  #unsent(bytes: Uint8Array, sent: number): boolean {
    if (sent < 0 && sent !== -EAGAIN && sent !== -EINTR) {
      this.#close(systemError(-sent, 'write'))
      return false
    }
    this.#outbox = new Outbox()
    this.#outbox.push(sent > 0 ? bytes.subarray(sent) : bytes)
    this.#ask()
    return false
  }

  #flush(outbox: Outbox): void {
    let failure = 0
    const done = outbox.flush((from, start, length) => {
      const sent = this.#context.calls.sendFrom(this.#fd, from, start, length)
      if (sent < 0 && sent !== -EAGAIN && sent !== -EINTR) failure = -sent
      return sent
    })
    if (failure !== 0) return this.#close(systemError(failure, 'write'))
    if (!done) return
    this.#outbox = undefined
    if (this.#finished) this.#sendFin()
    else this.#handler?.onDrain(this)
  }

  /** After the peer's FIN, closing says the same. */
  #sendFin(): void {
    if (!this.#ended) this.#context.calls.system.shutdown(this.#fd, SHUT_WR)
    this.#closeWhenDone()
  }

  #closeWhenDone(): void {
    if (this.#ended && this.#finished && this.#outbox === undefined) this.#close(undefined)
  }

  #close(error: Error | undefined): void {
    this.#letGo()
    if (this.#closing || this.#closed) return
    this.#closing = true
    this.#finished = true
    this.#error = error
    this.#outbox?.clear()
    this.#outbox = undefined
    this.#context.poller.forget(this.#fd)
    this.#context.poller.defer(this)
  }

  #leavePoller(): void {
    if (this.#asked === ABSENT) return
    this.#asked = ABSENT
    this.#context.poller.remove(this.#fd)
  }

  #gone(error: Error | undefined): void {
    this.#closed = true
    this.#handler?.onClose(this, error)
    this.#onceClosed?.()
  }
}
