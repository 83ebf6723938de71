import { type AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Address, Link, LinkHandler } from '../contracts.ts'
import { handleError, type Writer, writeDirectly, writeLent } from './direct-write.ts'
import { type HeldWriter, loopTurn } from './loop-turn.ts'
import { highWaterMark, readBuffer, toAddress } from './node-link.ts'
import type { ShutdownRequest, TcpHandle, TcpHandles } from './tcp-handles.ts'
import { smallBuffers } from './write-buffers.ts'

/** libuv's number for the peer's FIN, the same everywhere. */
const EOF = -4_095

/** A link on a TCP handle of Node's, without the `net.Socket` around it: that one costs more than all else of a connection. */
export class HandleLink implements Link, Writer, HeldWriter {
  readonly #handles: TcpHandles
  readonly #handle: TcpHandle
  #handler: LinkHandler | undefined = undefined
  #paused = true
  #ended = false
  /** Nothing more is written: ended by us, or destroyed. */
  #finished = false
  #shutting = false
  #resetting = false
  #closing = false
  #closed = false
  /** No `write` has said stop since the last drain. */
  #ready = true
  /** Writes that wait in the handle's queue. */
  #queued = 0
  /** The latest writes wait for the end of the turn. */
  #held = false
  #bytesRead = 0
  #bytesWritten = 0
  #error: Error | undefined = undefined
  #remote: Address | undefined
  #local: Address | undefined = undefined
  #given: Socket | undefined = undefined
  #onceClosed: (() => void) | undefined = undefined

  /** For a connected handle, which is the link's from here on. */
  constructor(handle: TcpHandle, handles: TcpHandles, remote?: Address) {
    this.#handle = handle
    this.#handles = handles
    this.#remote = remote
    handle.link = this
    handle.onread = onRead
    handle.useUserBuffer(readBuffer)
  }

  get remote(): Address {
    return (this.#remote ??= addressOf(this.#handle, 'getpeername'))
  }

  get local(): Address {
    return (this.#local ??= addressOf(this.#handle, 'getsockname'))
  }

  get bytesRead(): number {
    return this.#given?.bytesRead ?? this.#bytesRead
  }

  get bytesWritten(): number {
    return this.#given?.bytesWritten ?? this.#bytesWritten
  }

  get ended(): boolean {
    return this.#ended
  }

  get closed(): boolean {
    return this.#closed
  }

  get writable(): boolean {
    return this.#ready
  }

  attach(handler: LinkHandler): void {
    this.#handler = handler
  }

  write(bytes: Uint8Array | string): boolean {
    if (this.#finished || bytes.length === 0) return this.#ready
    if (this.#given !== undefined) return this.#given.write(copyOf(bytes))
    this.#bytesWritten += bytes.length
    if (this.#queued === 0 && loopTurn.write(this, bytes)) {
      this.#held = true
      return this.#ready
    }
    this.#letGo()
    if (this.#closing) return false
    return this.#sent(writeDirectly(this.#handle, this, bytes, this.#queued > 0))
  }

  sendHeld(lent: Buffer, length: number): void {
    this.#held = false
    if (this.#closing) smallBuffers.giveBack(lent)
    else this.#sent(writeLent(this.#handle, this, lent, length))
  }

  /** By what came of a write: whether there may be more of them. */
  #sent(result: number): boolean {
    if (result === 0) return this.#ready
    if (result < 0) return this.#fail(result, 'write')
    this.#queued++
    if (this.#handle.writeQueueSize >= highWaterMark) this.#ready = false
    return this.#ready
  }

  /** A write that was queued is done. */
  written(status: number): void {
    this.#queued--
    if (this.#closing || this.#given !== undefined) return
    if (status < 0) this.#fail(status, 'write')
    else if (this.#queued === 0) this.#drained()
  }

  pause(): void {
    if (this.#paused) return
    this.#paused = true
    if (this.#isOpen && !this.#ended) this.#handle.readStop()
  }

  resume(): void {
    if (!this.#paused || this.#given !== undefined) return
    this.#paused = false
    if (this.#closing || this.#ended) return
    const result = this.#handle.readStart()
    if (result < 0) this.#fail(result, 'read')
  }

  end(): void {
    this.#letGo()
    if (this.#finished) return
    this.#finished = true
    if (this.#given !== undefined) this.#given.end()
    else if (this.#queued === 0) this.#sendFin()
  }

  destroy(reset?: boolean): void {
    this.#letGo()
    if (this.#closing) return
    this.#finished = true
    if (this.#given === undefined) this.#close(undefined, reset === true)
    else if (reset === true) this.#given.resetAndDestroy()
    else this.#given.destroy()
  }

  onceClosed(listener: () => void): void {
    if (this.#closed) listener()
    else this.#onceClosed = listener
  }

  socket(unread?: Uint8Array): Duplex {
    this.#letGo()
    if (this.#isOpen) this.#handle.readStop()
    const socket = new Socket({ handle: this.#handle, allowHalfOpen: true, onread: INTO_STREAM } as object)
    this.#given = socket
    socket.on('error', (error) => (this.#error = error))
    socket.once('close', () => this.gone())
    if (this.#finished) socket.end()
    if (unread !== undefined && unread.length > 0) socket.unshift(unread)
    return socket
  }

  /** The handle has read. */
  read(): void {
    const length = this.#handles.lastRead()
    if (length > 0) {
      this.#bytesRead += length
      this.#handler?.onData(this, readBuffer.subarray(0, length))
    } else if (length === EOF) this.#readEnd()
    else if (length < 0) this.#fail(length, 'read')
  }

  /** The FIN is sent. */
  shut(): void {
    this.#shutting = false
    if (this.#resetting) this.#closeHandle(true)
  }

  /** The handle is closed. */
  gone(): void {
    this.#closed = true
    this.#closing = true
    this.#handler?.onClose(this, this.#error)
    this.#onceClosed?.()
  }

  get #isOpen(): boolean {
    return !this.#closing && this.#given === undefined
  }

  /** Nothing is held any more that something else could overtake; it may have failed, and closed the link. */
  #letGo(): void {
    if (this.#held) loopTurn.flush()
  }

  #readEnd(): void {
    this.#ended = true
    this.#handler?.onEnd(this)
    if (this.#finished && this.#queued === 0 && this.#isOpen) this.#close(undefined, false)
  }

  #drained(): void {
    if (this.#finished) return this.#sendFin()
    if (this.#ready) return
    this.#ready = true
    this.#handler?.onDrain(this)
  }

  /** After the peer's FIN, closing says the same. A failure is told by reading. */
  #sendFin(): void {
    if (this.#ended) return this.#close(undefined, false)
    const request = this.#handles.shutdownRequest()
    request.link = this
    request.oncomplete = onShut
    this.#shutting = this.#handle.shutdown(request) === 0
  }

  /** false, as `write` says it. */
  #fail(errno: number, syscall: string): boolean {
    this.#close(handleError(errno, syscall), false)
    return false
  }

  #close(error: Error | undefined, reset: boolean): void {
    if (!this.#isOpen) return
    // While it can still be read from the handle.
    this.#remote ??= this.remote
    this.#closing = true
    this.#finished = true
    this.#ready = false
    this.#error = error
    // A handle that is about to send its FIN cannot be reset before it has.
    this.#resetting = reset && this.#shutting
    if (this.#resetting) this.#handle.readStop()
    else this.#closeHandle(reset)
  }

  #closeHandle(reset: boolean): void {
    if (reset) this.#handle.reset(onClosed)
    else this.#handle.close(onClosed)
  }
}

/** A stream keeps what it is given; a link only borrows it. */
const copyOf = (bytes: Uint8Array | string): Buffer =>
  typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Buffer.from(bytes)

function onRead(this: TcpHandle): void {
  this.link?.read()
}

function onClosed(this: TcpHandle): void {
  this.link?.gone()
}

function onShut(this: ShutdownRequest): void {
  this.link?.shut()
}

/** The handle goes on reading into the shared buffer, whoever it belongs to. */
const INTO_STREAM = {
  buffer: readBuffer,
  callback(this: Socket, length: number): boolean {
    return this.push(Buffer.from(readBuffer.subarray(0, length)))
  },
}

function addressOf(handle: TcpHandle, which: 'getpeername' | 'getsockname'): Address {
  const found: Partial<AddressInfo> = {}
  handle[which](found)
  return toAddress(found.address, found.port)
}
