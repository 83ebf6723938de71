import type { Socket } from 'node:net'
import type { Address } from '../contracts.ts'
import { canWriteDirectly, handleError, type WriteHandle, type Writer, writeDirectly } from './direct-write.ts'
import { linkOf, StreamLink } from './stream-link.ts'

/**
 * One buffer for all reads of the process: libuv reads into it and the callback returns before the next read begins.
 * What outlives the callback is copied by whoever keeps it, `write` included, as a partial write keeps the pointer.
 */
export const readBuffer: Buffer = Buffer.allocUnsafeSlow(65_536)

/** Bytes that may wait in a socket's queue before the writer is told to stop. */
export const highWaterMark = 65_536

interface Handle extends WriteHandle {
  useUserBuffer?(buffer: Buffer): void
}

type Internals = Socket & { _handle?: Handle | null | undefined }

/** Passed to `net.connect`; Node calls it with the socket as `this`. */
export const onread: { buffer: Buffer; callback: (length: number, buffer: Uint8Array) => boolean } = {
  buffer: readBuffer,
  callback: onRead,
}

/** A link whose bytes are read into the shared buffer. */
interface Acceptor {
  accept(length: number): boolean
}

function onRead(this: Socket, length: number, _buffer: Uint8Array): boolean {
  return (linkOf(this) as unknown as Acceptor).accept(length)
}

interface Fields {
  readonly buffer: symbol
  readonly callback: symbol
}

/** Where a socket keeps its `onread` option, or undefined when this version of Node keeps it elsewhere. */
function findFields(socket: Socket): Fields | undefined {
  const named = (name: string) => Object.getOwnPropertySymbols(socket).find((symbol) => symbol.description === name)
  const buffer = named('kBuffer')
  const callback = named('kBufferCb')
  return buffer !== undefined && callback !== undefined ? { buffer, callback } : undefined
}

let fields: Fields | undefined | null = null

export function canReadIntoShared(socket: Socket): boolean {
  if (fields === null) fields = findFields(socket)
  return fields !== undefined && typeof (socket as Internals)._handle?.useUserBuffer === 'function'
}

/**
 * Accepted sockets take no `onread` option; setting what the option would have set saves the construction of a second
 * socket. False: not possible here, read through 'data' events.
 */
export function readIntoShared(socket: Socket): boolean {
  if (!canReadIntoShared(socket)) return false
  const { buffer, callback } = fields as Fields
  Object.assign(socket, { [buffer]: readBuffer, [callback]: onRead })
  ;(socket as Internals)._handle?.useUserBuffer?.(readBuffer)
  return true
}

export function toAddress(host: string | undefined, port: number | undefined): Address {
  const plain = host?.startsWith('::ffff:') && host.includes('.') ? host.slice(7) : host
  return { host: plain ?? '', port: port ?? 0 }
}

/** A link over a TCP socket of Node. */
export class NodeLink extends StreamLink implements Writer {
  #remote: Address | undefined = undefined
  #local: Address | undefined = undefined
  /** Writes that wait in the socket's queue. */
  #queued = 0

  private constructor(socket: Socket, shared: boolean) {
    super(socket, undefined)
    if (!shared) super.listen()
  }

  /** For a socket out of a server with `pauseOnConnect`. */
  static accepted(socket: Socket): NodeLink {
    return new NodeLink(socket, readIntoShared(socket))
  }

  /** For a socket that was created with the `onread` option above. */
  static dialled(socket: Socket): NodeLink {
    return new NodeLink(socket, true)
  }

  override get remote(): Address {
    if (this.#remote === undefined) {
      const socket = this.duplex as unknown as Socket
      this.#remote = toAddress(socket.remoteAddress, socket.remotePort)
    }
    return this.#remote
  }

  override get local(): Address {
    if (this.#local === undefined) {
      const socket = this.duplex as unknown as Socket
      this.#local = toAddress(socket.localAddress, socket.localPort)
    }
    return this.#local
  }

  override get bytesRead(): number {
    return (this.duplex as unknown as Socket).bytesRead
  }

  override get bytesWritten(): number {
    return (this.duplex as unknown as Socket).bytesWritten
  }

  override write(bytes: Uint8Array | string): boolean {
    if (!canWriteDirectly) return super.write(bytes)
    const handle = (this.duplex as unknown as Internals)._handle
    if (this.finished || bytes.length === 0 || handle === undefined || handle === null) return this.writable
    const result = writeDirectly(handle, this, bytes, this.#queued > 0)
    if (result === 0) return this.writable
    if (result < 0) return this.#fail(result)
    this.#queued++
    if (handle.writeQueueSize >= highWaterMark) this.ready = false
    return this.ready
  }

  /** A write that was queued is done. */
  written(status: number): void {
    this.#queued--
    if (status < 0) this.#fail(status)
    else if (this.#queued === 0 && !this.ready && !this.finished && !this.given) this.deliverDrain()
  }

  override destroy(reset?: boolean): void {
    if (reset === true && !this.closed) (this.duplex as unknown as Socket).resetAndDestroy()
    else super.destroy()
  }

  /**
   * Bytes are in the shared buffer. False stops the reading: a `resume` that was followed by `pause` in the same turn
   * still begins to read, as Node acts on it a tick later.
   */
  accept(length: number): boolean {
    const bytes = readBuffer.subarray(0, length)
    return this.given ? this.duplex.push(Buffer.from(bytes)) : this.deliver(bytes)
  }

  #fail(errno: number): boolean {
    this.ready = false
    this.duplex.destroy(handleError(errno, 'write'))
    return false
  }

  protected override listen(): void {
    // Nothing: how a socket is read is known only after the constructor of the base class.
  }
}
