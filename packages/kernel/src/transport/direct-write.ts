import { getSystemErrorName } from 'node:util'
import { borrowBuffer, deservesBuffer, giveBack } from './write-buffers.ts'

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
  /** The buffer that the bytes are in, if it is one of ours. */
  lent: Buffer | undefined
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
  const { writer, lent } = this
  this.writer = undefined
  this.bytes = undefined
  this.lent = undefined
  giveBack(lent)
  writer?.written(status)
}

function makeRequest(): WriteRequest {
  const made = new (WriteWrap as new () => WriteRequest)()
  made.oncomplete = onComplete
  made.writer = undefined
  made.bytes = undefined
  made.lent = undefined
  return made
}

/** A handle takes the request only when it queues the bytes: one serves every write that is done at once. */
let request: WriteRequest | undefined = undefined
/** Where large copies are made. Given up to the write that is queued from it. */
let outgoing: Buffer | undefined = undefined

/**
 * Sends bytes (a string is latin1) through a socket's handle, without the state, the tick and the callback of a Writable for
 * every write. What the kernel does not take at once is queued; the writer hears of it when it is done. The bytes may be
 * reused after the call.
 *
 * Gives 0 for sent, 1 for queued and a negative errno for failed.
 */
export function writeDirectly(handle: WriteHandle, writer: Writer, bytes: Uint8Array | string): number {
  request ??= makeRequest()
  const copy = typeof bytes === 'string' ? bytes : copied(bytes)
  const error = typeof copy === 'string' ? handle.writeLatin1String(request, copy) : handle.writeBuffer(request, copy)
  if (error !== 0) return error
  if ((streamBaseState as Int32Array)[kLastWriteWasAsync as number] === 0) return 0
  keep(request, writer, copy)
  request = undefined
  return 1
}

/** A write that is queued keeps a pointer: what it points to must be ours. */
function copied(bytes: Uint8Array): Uint8Array {
  if (!deservesBuffer(bytes.length)) return Buffer.from(bytes)
  outgoing ??= borrowBuffer()
  outgoing.set(bytes)
  return outgoing.subarray(0, bytes.length)
}

function keep(queued: WriteRequest, writer: Writer, copy: Uint8Array | string): void {
  queued.writer = writer
  queued.bytes = copy
  if (typeof copy === 'string' || copy.buffer !== outgoing?.buffer) return
  queued.lent = outgoing
  outgoing = undefined
}

/** The error that a stream of Node would report. */
export function writeError(errno: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(errno)
  return Object.assign(new Error(`write ${code}`), { errno, code, syscall: 'write' })
}
