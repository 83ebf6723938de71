import { GatewayError } from '@proxy/kernel'
import { DataScanner } from './data-scanner.ts'
import { lineLength, lineLimit, maxAuthLine } from './wire.ts'

const empty: Buffer = Buffer.alloc(0)

export interface InputSink {
  /** The next unit may be taken. */
  readonly ready: boolean
  /** A line with its LF; valid during the call, as everything here. */
  onCommand(line: Buffer): void
  onAuthLine(line: Buffer): void
  /** Bytes of a message, as they are on the wire. `complete`: the last of this DATA or BDAT. */
  onContent(bytes: Buffer, complete: boolean): void
  onFault(error: GatewayError): void
}

type Mode = 'commands' | 'auth' | 'data' | 'chunk'

/**
 * Cuts the client's bytes into commands and content, the same for every way in which they arrive. What may not be taken yet
 * waits here.
 */
export class ClientInput {
  readonly #sink: InputSink
  readonly #data: DataScanner = new DataScanner()
  #mode: Mode = 'commands'
  #left = 0
  #held: Buffer | undefined = undefined

  constructor(sink: InputSink) {
    this.#sink = sink
  }

  /** Bytes that wait. */
  get held(): number {
    return this.#held?.length ?? 0
  }

  get mode(): Mode {
    return this.#mode
  }

  /** The next line goes on with AUTH. */
  expectAuth(): void {
    this.#mode = 'auth'
  }

  /** The content of DATA comes next. */
  expectData(): void {
    this.#mode = 'data'
    this.#data.begin()
  }

  /** The content of BDAT comes next: so many bytes, which may be none. */
  expectChunk(size: number): void {
    this.#left = size
    if (size > 0) this.#mode = 'chunk'
    else this.#sink.onContent(empty, true)
  }

  push(bytes: Buffer): void {
    const held = this.#held
    this.#held = undefined
    this.#take(held === undefined ? bytes : Buffer.concat([held, bytes]), held !== undefined)
  }

  /** Goes on with what waits. */
  advance(): void {
    const held = this.#held
    if (held === undefined) return
    this.#held = undefined
    this.#take(held, true)
  }

  /** `owned`: the bytes may be kept as they are. */
  #take(bytes: Buffer, owned: boolean): void {
    let at = 0
    while (at < bytes.length && this.#sink.ready) {
      const next = this.#unit(bytes, at)
      if (next === at) break
      at = next
    }
    if (at < bytes.length) this.#held = owned ? bytes.subarray(at) : Buffer.from(bytes.subarray(at))
  }

  /** Takes the unit at `at`; the offset behind it, or `at` when it is not complete. */
  #unit(bytes: Buffer, at: number): number {
    if (this.#mode === 'data') return this.#content(bytes, at)
    if (this.#mode === 'chunk') return this.#chunk(bytes, at)
    const limit = this.#mode === 'auth' ? maxAuthLine : lineLimit(bytes, at)
    const length = lineLength(bytes, at, limit)
    if (length < 0) this.#sink.onFault(new GatewayError('PROXY_PEEK_OVERFLOW', { message: 'the line is too long' }))
    if (length <= 0) return at
    const line = bytes.subarray(at, at + length)
    if (this.#mode === 'commands') this.#sink.onCommand(line)
    else {
      this.#mode = 'commands'
      this.#sink.onAuthLine(line)
    }
    return at + length
  }

  #content(bytes: Buffer, at: number): number {
    const end = this.#data.scan(bytes, at)
    if (end < 0) {
      this.#sink.onFault(new GatewayError('PROXY_MALFORMED', { message: this.#data.fault }))
      return at
    }
    if (end > 0) this.#mode = 'commands'
    const next = end > 0 ? end : bytes.length
    this.#sink.onContent(bytes.subarray(at, next), end > 0)
    return next
  }

  #chunk(bytes: Buffer, at: number): number {
    const next = Math.min(bytes.length, at + this.#left)
    this.#left -= next - at
    if (this.#left === 0) this.#mode = 'commands'
    this.#sink.onContent(bytes.subarray(at, next), this.#left === 0)
    return next
  }
}
