import { getSystemErrorName } from 'node:util'
import { largeBuffers, smallBuffers, type WriteBuffers } from './write-buffers.ts'

/** The part of a socket's handle that sends. Both calls give 0 or a negative errno. */
export interface WriteHandle {
  readonly writeQueueSize: number
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number
  writeLatin1String(request: WriteRequest, text: string): number
}

/** Learns what became of a write that could not be done at once: 0, or a negative errno. */
export interface Writer {
  written(status: number): void
}

/** The object that a handle keeps for a write that it has queued. */
interface WriteRequest {
  oncomplete: (this: WriteRequest, status: number) => void
  writer: Writer | undefined
  /** What is being sent: referred to until it is sent. */
  bytes: Uint8Array | string | undefined
  /** Given back then: the buffer that the bytes are in, if it is one of these. */
  lent: Buffer | undefined
  buffers: WriteBuffers | undefined
}

interface StreamWrap {
  readonly WriteWrap?: new () => WriteRequest
  readonly streamBaseState?: Int32Array
  readonly kLastWriteWasAsync?: number
}

/** Node's binding for byte streams; an empty record where it is not given out (the permission model, other runtimes). */
function streamWrap(): StreamWrap {
  try {
    return (process as unknown as { binding(name: string): StreamWrap }).binding('stream_wrap')
  } catch {
    return {}
  }
}

const { WriteWrap, streamBaseState, kLastWriteWasAsync } = streamWrap()

/** Whether this runtime lets us write below its streams. */
export const canWriteDirectly: boolean =
  WriteWrap !== undefined && streamBaseState instanceof Int32Array && kLastWriteWasAsync !== undefined

function onComplete(this: WriteRequest, status: number): void {
  const { writer, lent, buffers } = this
  this.writer = undefined
  this.bytes = undefined
  this.lent = undefined
  if (lent !== undefined) buffers?.giveBack(lent)
  writer?.written(status)
}

function makeRequest(): WriteRequest {
  const made = new (WriteWrap as new () => WriteRequest)()
  made.oncomplete = onComplete
  made.writer = undefined
  made.bytes = undefined
  made.lent = undefined
  made.buffers = undefined
  return made
}

/** A handle takes the request only when it queues the bytes: one serves every write that is done at once. */
let request: WriteRequest | undefined = undefined
/** Where the copy for the next write is made; given up to a write that is queued. */
let small: Buffer = smallBuffers.borrow()
let large: Buffer | undefined = undefined

/**
 * Sends bytes (a string is latin1) through a socket's handle, without the state, the tick and the callback of a Writable for
 * every write. What the kernel does not take at once is queued; the writer hears of it when it is done. The bytes may be
 * reused after the call. `queues`: earlier writes wait, so this one will.
 *
 * Gives 0 for sent, 1 for queued and a negative errno for failed.
 */
export function writeDirectly(
  handle: WriteHandle,
  writer: Writer,
  bytes: Uint8Array | string,
  queues: boolean,
): number {
  request ??= makeRequest()
  const copy = typeof bytes === 'string' ? bytes : copied(bytes, queues)
  const error = typeof copy === 'string' ? handle.writeLatin1String(request, copy) : handle.writeBuffer(request, copy)
  if (error !== 0) {
    // The handle may have taken it before it failed.
    request = undefined
    return error
  }
  if ((streamBaseState as Int32Array)[kLastWriteWasAsync as number] === 0) return 0
  keep(request, writer, copy)
  request = undefined
  return 1
}

/** The same for the first bytes of a small buffer that the caller has borrowed, which is given back when they are sent. */
export function writeLent(handle: WriteHandle, writer: Writer, lent: Buffer, length: number): number {
  request ??= makeRequest()
  const bytes = lent.subarray(0, length)
  const error = handle.writeBuffer(request, bytes)
  if (error === 0 && (streamBaseState as Int32Array)[kLastWriteWasAsync as number] === 0) {
    smallBuffers.giveBack(lent)
    return 0
  }
  if (error === 0) lend(request, writer, bytes, lent)
  request = undefined
  return error === 0 ? 1 : error
}

function lend(queued: WriteRequest, writer: Writer, bytes: Uint8Array, lent: Buffer): void {
  queued.writer = writer
  queued.bytes = bytes
  queued.lent = lent
  queued.buffers = smallBuffers
}

/**
 * A write that is queued keeps a pointer: what it points to must be ours. Small ones that will wait for sure share Node's
 * slab, as a buffer for each would multiply what a slow reader costs.
 */
function copied(bytes: Uint8Array, queues: boolean): Uint8Array {
  const { length } = bytes
  if (length <= smallBuffers.size) return queues ? Buffer.from(bytes) : copiedTo(small, bytes)
  if (length <= largeBuffers.size) return copiedTo((large ??= largeBuffers.borrow()), bytes)
  return Buffer.from(bytes)
}

function copiedTo(buffer: Buffer, bytes: Uint8Array): Uint8Array {
  buffer.set(bytes)
  return buffer.subarray(0, bytes.length)
}

function keep(queued: WriteRequest, writer: Writer, copy: Uint8Array | string): void {
  queued.writer = writer
  queued.bytes = copy
  if (typeof copy === 'string') return
  if (copy.buffer === small.buffer) {
    queued.lent = small
    queued.buffers = smallBuffers
    small = smallBuffers.borrow()
  } else if (copy.buffer === large?.buffer) {
    queued.lent = large
    queued.buffers = largeBuffers
    large = undefined
  }
}

/** The error that a socket of Node would report. */
export function handleError(errno: number, syscall: string): NodeJS.ErrnoException {
  const code = getSystemErrorName(errno)
  return Object.assign(new Error(`${syscall} ${code}`), { errno, code, syscall })
}
