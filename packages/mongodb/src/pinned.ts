import { GatewayError, type RelayFilter, type RelayPort } from '@proxy/kernel'
import { isWhatsMyUri, whatsMyUriDocument } from './answers.ts'
import { readLength } from './bson.ts'
import { isHello, isHidden } from './commands.ts'
import {
  answer,
  hiddenCommand,
  legacyQuery,
  noTransactions,
  noX509,
  otherTenant,
  type Request,
  refusal,
  shuttingDown,
} from './refusals.ts'
import { CommandScan, type Names } from './scan.ts'
import { flags, headerBytes, maxMessageBytes, msgHeadBytes, opCodes } from './wire.ts'

/** Bytes of a message whose command is not known yet that are kept back; beyond it they go on, all but the last. */
const maxHeldBytes = 16_384
/** Answers that wait for the backend to come to the end of a message. */
const maxWaitingBytes = 65_536

const none: Buffer = Buffer.alloc(0)

/** What a pinned connection needs to know to answer for itself. */
export interface Pin {
  readonly names: Names
  /** The address of the client. */
  readonly client: string
  /** The backend knows sessions, retryable writes and transactions. */
  readonly sessions: boolean
  /** May commands for that database go to the backend? */
  allows(database: string): boolean
  /** The answer to another `hello`. */
  hello(command: string, request: Request): Buffer
}

/**
 * Watches a connection that has its backend. Messages go on as they are; `hello`, commands about the servers behind and those for
 * other tenants are answered here, between two messages of the backend. A message for which that is found out too late
 * is never finished, so no backend acts on it.
 */
export class Pinned implements RelayFilter {
  readonly #pin: Pin
  readonly #scan: CommandScan
  /** Of the client's message: kept back until more of it is there. */
  #held: Buffer = none
  /** Offset in the client's message of the first byte that was not dealt with. */
  #base = 0
  /** Bytes of the client's message have gone on. */
  #begun = false
  #verdict: 'open' | 'pass' | 'drop' = 'open'
  /** Requests that the backend has not answered. */
  #outstanding = 0
  /** The last of them. */
  readonly #lastRequest = { requestId: 0, opCode: 0, label: undefined as string | undefined }
  /** Bytes that are left of the backend's message. */
  #left = 0
  /** Begin of a backend's message whose length is not known yet. */
  #head: Buffer = none
  #waiting: Buffer[] = []
  #waitingBytes = 0

  constructor(pin: Pin) {
    this.#pin = pin
    this.#scan = new CommandScan(pin.names)
  }

  fromClient(chunk: Buffer, port: RelayPort): void {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    this.#held = none
    try {
      this.#walk(bytes, port)
    } catch (error) {
      this.#break(GatewayError.from(error), port)
    }
  }

  fromBackend(bytes: Buffer, port: RelayPort): void {
    if (this.#head.length > 0) bytes = this.#joined(bytes)
    let at = 0
    let from = 0
    while (at < bytes.length) {
      if (this.#left === 0) {
        const length = this.#begin(bytes, at)
        if (length === 0) break
        this.#left = length
      }
      const step = Math.min(this.#left, bytes.length - at)
      at += step
      this.#left -= step
      if (this.#left === 0 && this.#waiting.length > 0) {
        port.toClient(bytes.subarray(from, at))
        from = at
        this.#flush(port)
      }
    }
    if (from < at) port.toClient(from === 0 && at === bytes.length ? bytes : bytes.subarray(from, at))
    if (at < bytes.length) this.#head = Buffer.from(bytes.subarray(at))
  }

  quiet(): boolean {
    return this.#outstanding === 0 && this.#betweenAnswers && this.#held.length === 0 && this.#base === 0
  }

  goodbye(): Uint8Array | undefined {
    if (this.#outstanding === 0 || !this.#betweenAnswers) return undefined
    return shuttingDown(this.#lastRequest)
  }

  get #betweenAnswers(): boolean {
    return this.#left === 0 && this.#head.length === 0
  }

  /** All whole messages, then the beginning of one. Neighbours that go on do so together. */
  #walk(bytes: Buffer, port: RelayPort): void {
    const scan = this.#scan
    let at = 0
    let from = 0
    while (at < bytes.length) {
      scan.advance(bytes, at, bytes.length, this.#base)
      if (scan.decided && this.#verdict === 'open') this.#judge(port)
      const left = scan.headed ? scan.length - this.#base : Number.POSITIVE_INFINITY
      if (!scan.done || left > bytes.length - at) break
      if (this.#verdict === 'drop') {
        if (from < at) port.toBackend(bytes.subarray(from, at))
        from = at + left
      }
      at += left
      this.#nextMessage()
    }
    this.#keep(bytes, from, at, port)
  }

  /** `bytes` hold messages that may go on up to `at`, and from there a message that goes on in the next bytes. */
  #keep(bytes: Buffer, from: number, at: number, port: RelayPort): void {
    const end = bytes.length
    const looked = Math.min(end, at + this.#scan.next - this.#base)
    const waits = this.#verdict === 'open' && end - at <= maxHeldBytes
    const upTo = waits ? at : looked
    if (upTo > at && this.#verdict !== 'drop') this.#begun = true
    const until = this.#verdict === 'drop' ? at : upTo
    if (from < until) port.toBackend(from === 0 && until === end ? bytes : bytes.subarray(from, until))
    this.#base += upTo - at
    if (upTo < end) this.#held = Buffer.from(bytes.subarray(upTo))
  }

  #nextMessage(): void {
    this.#scan.reset()
    this.#base = 0
    this.#begun = false
    this.#verdict = 'open'
  }

  #judge(port: RelayPort): void {
    const reply = this.#answer(this.#scan)
    if (reply === undefined) {
      this.#verdict = 'pass'
      if (!this.#scan.silent) this.#expect()
      return
    }
    if (this.#begun) return this.#end(reply, port)
    this.#verdict = 'drop'
    if (!this.#scan.silent) this.#reply(reply, port)
  }

  /** The answer to a command that does not go on; undefined: it does. */
  #answer(scan: CommandScan): Buffer | undefined {
    const { command, database } = scan
    if (command !== '' && command !== undefined) {
      if (isHello(command)) return this.#pin.hello(command, scan)
      if (isHidden(command)) return hiddenCommand(scan)
      if (command === 'authenticate') return noX509(scan)
      if (isWhatsMyUri(command)) return answer(whatsMyUriDocument(this.#pin.client), scan)
    }
    if (scan.opCode === opCodes.query) return legacyQuery(scan)
    if (database !== undefined && !this.#pin.allows(database)) return otherTenant(scan)
    if (scan.numbered && !this.#pin.sessions) return noTransactions(scan)
    return undefined
  }

  #expect(): void {
    const last = this.#lastRequest
    last.requestId = this.#scan.requestId
    last.opCode = this.#scan.opCode
    last.label = this.#scan.label
    this.#outstanding += 1
  }

  #reply(bytes: Buffer, port: RelayPort): void {
    if (this.#betweenAnswers) return port.toClient(bytes)
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    if (this.#waitingBytes > maxWaitingBytes) port.end('error')
  }

  #flush(port: RelayPort): void {
    for (const bytes of this.#waiting) port.toClient(bytes)
    this.#waiting = []
    this.#waitingBytes = 0
  }

  #break(error: GatewayError, port: RelayPort): void {
    this.#end(this.#scan.headed && !this.#scan.silent ? refusal(error, this.#scan) : undefined, port)
  }

  #end(last: Buffer | undefined, port: RelayPort): void {
    this.#verdict = 'drop'
    port.end('error', this.#betweenAnswers ? last : undefined)
  }

  #joined(bytes: Buffer): Buffer {
    const joined = Buffer.concat([this.#head, bytes])
    this.#head = none
    return joined
  }

  /** The length of the backend's message that begins at `at`; 0 = more bytes are needed. */
  #begin(bytes: Buffer, at: number): number {
    const have = bytes.length - at
    const length = have < 4 ? 0 : lengthOf(bytes, at)
    if (have < msgHeadBytes) return 0
    const isMsg = readLength(bytes, at + 12) === opCodes.msg
    const goesOn = isMsg && (readLength(bytes, at + headerBytes) & flags.moreToCome) !== 0
    if (!goesOn && this.#outstanding > 0) this.#outstanding -= 1
    return length
  }
}

function lengthOf(bytes: Buffer, at: number): number {
  const length = readLength(bytes, at)
  if (length >= msgHeadBytes && length <= maxMessageBytes) return length
  throw new GatewayError('PROXY_BACKEND_PROTOCOL')
}
