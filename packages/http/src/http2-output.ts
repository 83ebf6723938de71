import type { Link } from '@proxy/kernel'
import { DATA, END_HEADERS, END_STREAM, frameHeader, HEADERS, CONTINUATION, maxFrame } from './http2-frames.ts'

/** Frames are gathered up to here before they are written. */
const bufferSize = 65_536
/** Buffers that are kept for the next connection that has something to say. */
const maxSpare = 16
/** While the client takes nothing, so much may wait for it before it is not listened to either. */
const maxBlocked = 65_536

const spare: Buffer[] = []

/**
 * Connections that have gathered frames. They are written when everything that is ready has been read, so that what many streams
 * say in one turn is one write.
 */
const gathered: Output[] = []

function flushAll(): void {
  // Nothing is added meanwhile: a flush calls nobody who gathers.
  for (let i = 0; i < gathered.length; i++) gathered[i]!.flush()
  gathered.length = 0
}

/** Frames on their way to one client. */
export class Output {
  readonly #link: Link
  #buffer: Buffer | undefined = undefined
  #length = 0
  #listed = false
  /** Written since the client stopped to take bytes. */
  #blocked = 0

  constructor(link: Link) {
    this.#link = link
  }

  /** DATA may be written. Other frames may be at any time, and are few. */
  get ready(): boolean {
    return this.#link.writable
  }

  /** More waits than a client may be owed which does not read. */
  get overfull(): boolean {
    return this.#blocked > maxBlocked
  }

  /** A frame with a payload of 4 bytes. */
  word(type: number, stream: number, word: number): void {
    const buffer = this.#room(frameHeader + 4)
    this.#header(buffer, type, 0, stream, 4)
    this.#length = buffer.writeUInt32BE(word >>> 0, this.#length)
  }

  frame(type: number, flags: number, stream: number, payload: Uint8Array): void {
    const buffer = this.#room(frameHeader + payload.length)
    this.#header(buffer, type, flags, stream, payload.length)
    buffer.set(payload, this.#length)
    this.#length += payload.length
  }

  /** At most {@link maxFrame} bytes. */
  data(stream: number, bytes: Uint8Array, start: number, end: number, last: boolean): void {
    const length = end - start
    const buffer = this.#room(frameHeader + length)
    this.#header(buffer, DATA, last ? END_STREAM : 0, stream, length)
    // Views cost more than the copy of a small body.
    if (start === 0 && end === bytes.length) buffer.set(bytes, this.#length)
    else buffer.set(bytes.subarray(start, end), this.#length)
    this.#length += length
  }

  headers(stream: number, block: Buffer, length: number, last: boolean): void {
    let at = 0
    let type = HEADERS
    do {
      const part = Math.min(length - at, maxFrame)
      const flags = (at + part === length ? END_HEADERS : 0) | (last && at === 0 ? END_STREAM : 0)
      const buffer = this.#room(frameHeader + part)
      this.#header(buffer, type, flags, stream, part)
      block.copy(buffer, this.#length, at, at + part)
      this.#length += part
      at += part
      type = CONTINUATION
    } while (at < length)
  }

  /** Writes what is gathered. */
  flush(): void {
    this.#listed = false
    this.#send()
  }

  #send(): void {
    const buffer = this.#buffer
    if (buffer === undefined) return
    this.#buffer = undefined
    const ready = this.#link.write(this.#length === bufferSize ? buffer : buffer.subarray(0, this.#length))
    this.#blocked = ready ? 0 : this.#blocked + this.#length
    this.#length = 0
    // The link has borrowed it for the call only.
    if (spare.length < maxSpare) spare.push(buffer)
  }

  /** The client takes bytes again. */
  drained(): void {
    this.#blocked = 0
  }

  #room(bytes: number): Buffer {
    if (this.#buffer !== undefined && this.#length + bytes > bufferSize) this.#send()
    if (!this.#listed) this.#list()
    return (this.#buffer ??= spare.pop() ?? Buffer.allocUnsafeSlow(bufferSize))
  }

  #list(): void {
    this.#listed = true
    if (gathered.push(this) === 1) setImmediate(flushAll)
  }

  #header(buffer: Buffer, type: number, flags: number, stream: number, length: number): void {
    const at = this.#length
    buffer[at] = length >>> 16
    buffer[at + 1] = length >>> 8
    buffer[at + 2] = length
    buffer[at + 3] = type
    buffer[at + 4] = flags
    buffer[at + 5] = stream >>> 24
    buffer[at + 6] = stream >>> 16
    buffer[at + 7] = stream >>> 8
    buffer[at + 8] = stream
    this.#length = at + frameHeader
  }
}
