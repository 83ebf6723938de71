import type { GatewayError } from '@proxy/kernel'
import { malformed, minDocumentBytes, readLength, types, valueSize } from './bson.ts'
import { checkFlags, checkOpCode, flags, headerBytes, messageLength, msgHeadBytes, opCodes } from './wire.ts'

/** Keys at the top of a command, and the values there that have to be read: nobody sends longer ones. */
const maxKeyBytes = 1_024
const maxValueBytes = 2_048
/** More than that of an element is never waited for. */
const maxItemBytes = 4_096
const regularExpression = 0x0b
const checksumBytes = 4

const kindBody = 0
const kindSequence = 1

type Phase = 'header' | 'namespace' | 'section' | 'body' | 'element' | 'done'

const databaseKey: Buffer = Buffer.from('$db')
const numberKey: Buffer = Buffer.from('txnNumber')
const transactionKey: Buffer = Buffer.from('autocommit')

/**
 * Reads a client's message only as far as the gateway has to know it: header, the name of the command, `$db`, whether it
 * belongs to a transaction. Works on any split: it is shown the bytes from the offset `next` on, and passes by values
 * that it has no use for without having seen them.
 */
export class CommandScan {
  length = 0
  requestId = 0
  opCode = 0
  flagBits = 0
  /** Offset in the message of the first byte that still matters. */
  next = 0
  /** The command and everything about it is known; what follows are documents for it. */
  decided = false
  /** The name of the command, as bytes of `names`; undefined = not seen yet. */
  command: string | undefined = undefined
  database: string | undefined = undefined
  /** The command carries a transaction number, for retrying it or for a transaction. */
  numbered = false
  #inTransaction = false
  /** Offset of the document with the command. */
  bodyAt = 0
  readonly #names: Names
  #phase: Phase = 'header'
  /** Where the sections end. */
  #sectionsEnd = 0
  #bodyEnd = 0

  constructor(names: Names) {
    this.#names = names
  }

  /** Begins with the next message. */
  reset(): void {
    this.length = 0
    this.next = 0
    this.decided = false
    this.command = undefined
    this.database = undefined
    this.numbered = false
    this.#inTransaction = false
    this.#phase = 'header'
    this.#bodyEnd = 0
  }

  /** The header is known. */
  get headed(): boolean {
    return this.length > 0
  }

  /**
   * What a driver has to be told of an error after which the command, or its whole transaction, may be tried again; undefined:
   * it may not.
   */
  get label(): string | undefined {
    if (this.command === 'commitTransaction' || this.command === 'abortTransaction') return 'RetryableWriteError'
    if (this.#inTransaction) return 'TransientTransactionError'
    return this.numbered ? 'RetryableWriteError' : undefined
  }

  /** Offset behind the document with the command. */
  get bodyEnd(): number {
    return this.#bodyEnd
  }

  /** All of the message was looked at. */
  get done(): boolean {
    return this.#phase === 'done'
  }

  /** Nobody waits for an answer. */
  get silent(): boolean {
    return this.opCode === opCodes.msg && (this.flagBits & flags.moreToCome) !== 0
  }

  /**
   * Goes on reading: `bytes` from `at` to `end` are those of the message from its offset `base` on, of which `next` is not
   * behind. Throws `PROXY_MALFORMED` and `PROXY_UNSUPPORTED`.
   */
  advance(bytes: Buffer, at: number, end: number, base: number): void {
    const shift = at - base
    while (this.#phase !== 'done') {
      const from = this.next + shift
      if (from >= end || !this.#step(bytes, from, end, shift)) return
    }
  }

  /** False: more bytes are needed. */
  #step(bytes: Buffer, at: number, end: number, shift: number): boolean {
    switch (this.#phase) {
      case 'header':
        return this.#header(bytes, at, end)
      case 'namespace':
        return this.#namespace(bytes, at, end)
      case 'section':
        return this.#section(bytes, at, end)
      case 'body':
        return this.#body(bytes, at, end)
      default:
        return this.#element(bytes, at, end, shift)
    }
  }

  #header(bytes: Buffer, at: number, end: number): boolean {
    if (end - at < 4) return false
    const length = messageLength(bytes, at)
    if (end - at < headerBytes) return false
    this.requestId = readLength(bytes, at + 4)
    const opCode = readLength(bytes, at + 12)
    this.opCode = opCode
    this.flagBits = 0
    this.length = length
    checkOpCode(opCode, length)
    if (end - at < msgHeadBytes) {
      if (length < msgHeadBytes) throw malformed('a message that is too short')
      return false
    }
    this.next = msgHeadBytes
    if (opCode === opCodes.query) {
      this.#phase = 'namespace'
      return true
    }
    this.flagBits = readLength(bytes, at + headerBytes)
    checkFlags(this.flagBits)
    this.#sectionsEnd = length - ((this.flagBits & flags.checksum) === 0 ? 0 : checksumBytes)
    this.#phase = 'section'
    return true
  }

  /** Of OP_QUERY: a collection, and how many documents to skip and to return. */
  #namespace(bytes: Buffer, at: number, end: number): boolean {
    const zero = bytes.indexOf(0, at)
    if (zero < 0 || zero >= end) {
      if (this.length - this.next <= end - at) throw malformed('a collection without an end')
      return this.#wait(end - at)
    }
    const name = bytes.toString('latin1', at, zero)
    const dot = name.indexOf('.')
    if (dot < 0 || name.slice(dot) !== '.$cmd') throw malformed('queries without a command are not supported')
    this.database = name.slice(0, dot)
    this.next += zero + 1 - at + 8
    this.#sectionsEnd = this.length
    this.#phase = 'body'
    return true
  }

  #section(bytes: Buffer, at: number, end: number): boolean {
    const kind = bytes[at]
    if (kind === kindBody) {
      if (this.#bodyEnd > 0) throw malformed('more than one section of kind 0')
      this.next += 1
      this.#phase = 'body'
      return true
    }
    if (kind !== kindSequence) throw malformed('a section of an unknown kind')
    if (this.next + 5 > this.#sectionsEnd) throw malformed('a section with an impossible length')
    if (end - at < 5) return false
    const size = readLength(bytes, at + 1)
    if (size < 5 || this.next + 1 + size > this.#sectionsEnd) throw malformed('a section with an impossible length')
    this.next += 1 + size
    return this.next < this.#sectionsEnd || this.#finish()
  }

  #finish(): boolean {
    if (!this.decided) throw malformed('no section of kind 0')
    this.next = this.length
    this.#phase = 'done'
    return true
  }

  #body(bytes: Buffer, at: number, end: number): boolean {
    if (this.next + minDocumentBytes > this.#sectionsEnd) throw malformed('a document with an impossible length')
    if (end - at < 4) return false
    const size = readLength(bytes, at)
    this.bodyAt = this.next
    this.#bodyEnd = this.next + size
    if (size < minDocumentBytes || this.#bodyEnd > this.#sectionsEnd) {
      throw malformed('a document with an impossible length')
    }
    this.next += 4
    this.#phase = 'element'
    return true
  }

  #element(bytes: Buffer, at: number, end: number, shift: number): boolean {
    const bodyEnd = this.#bodyEnd + shift
    const limit = Math.min(end, bodyEnd)
    const type = bytes[at] as number
    if (type === 0) return this.#endOfBody()
    if (this.next >= this.#bodyEnd - 1) throw malformed('a document without an end')
    let zero = at + 1
    while (zero < limit && bytes[zero] !== 0) zero++
    if (zero - at > maxKeyBytes) throw tooLong()
    if (zero >= limit) return limit === bodyEnd ? this.#tooLong() : false
    const valueAt = zero + 1
    const size = valueSize(type, bytes, valueAt, limit)
    if (size === 0) return limit === bodyEnd ? this.#tooLong() : this.#wait(end - at)
    if (type === regularExpression && size > maxValueBytes) throw tooLong()
    const valueEnd = valueAt + Math.max(size, 0)
    if (valueEnd >= bodyEnd) return this.#tooLong()
    if (!this.#note(type, bytes, at + 1, zero, valueEnd, end)) return this.#wait(end - at)
    this.next = valueEnd - shift
    return true
  }

  /** Takes in what matters. False: all of the value is needed. */
  #note(type: number, bytes: Buffer, key: number, zero: number, valueEnd: number, end: number): boolean {
    this.command ??= this.#names.find(bytes, key, zero)
    const length = zero - key
    if (length === 3 && matches(databaseKey, bytes, key) && this.opCode === opCodes.msg) {
      return this.#noteDatabase(type, bytes, zero + 1, valueEnd, end)
    }
    if (length === 9 && matches(numberKey, bytes, key)) this.numbered = true
    else if (length === 10 && matches(transactionKey, bytes, key)) this.#inTransaction = true
    return true
  }

  #noteDatabase(type: number, bytes: Buffer, valueAt: number, valueEnd: number, end: number): boolean {
    if (type !== types.string) throw malformed('$db is no string')
    if (valueEnd - valueAt > maxValueBytes) throw tooLong()
    if (valueEnd > end) return false
    if (this.database !== undefined) throw malformed('$db is there twice')
    this.database = this.#names.database(bytes, valueAt + 4, valueEnd - 1)
    return true
  }

  #endOfBody(): boolean {
    if (this.next !== this.#bodyEnd - 1) throw malformed('a document that ends too early')
    if (this.command === undefined) throw malformed('no command')
    this.decided = true
    this.next += 1
    this.#phase = 'section'
    if (this.opCode === opCodes.query || this.next === this.#sectionsEnd) return this.#finish()
    return true
  }

  #tooLong(): never {
    throw malformed('a value that is longer than its document')
  }

  #wait(have: number): false {
    if (have >= maxItemBytes) throw tooLong()
    return false
  }
}

function tooLong(): GatewayError {
  return malformed('a key or a value that is too long')
}

/**
 * Turns the bytes of names into strings without making a new string for those that come again and again: commands that
 * matter by a table, the database by its predecessor.
 */
export class Names {
  readonly #commands: ReadonlyMap<number, readonly (readonly [name: string, bytes: Buffer])[]>
  #database = ''
  #databaseBytes: Buffer = Buffer.alloc(0)

  /** All other commands are called `''`. */
  constructor(table: CommandTable) {
    this.#commands = table
  }

  find(bytes: Buffer, at: number, end: number): string {
    const candidates = this.#commands.get(end - at)
    if (candidates === undefined) return ''
    for (const [name, expected] of candidates) if (matches(expected, bytes, at)) return name
    return ''
  }

  database(bytes: Buffer, at: number, end: number): string {
    const known = this.#databaseBytes
    if (known.length === end - at && matches(known, bytes, at)) return this.#database
    this.#database = bytes.toString('utf8', at, end)
    this.#databaseBytes = Buffer.from(bytes.subarray(at, end))
    return this.#database
  }
}

/** Names of commands by their lengths. */
export type CommandTable = ReadonlyMap<number, readonly (readonly [name: string, bytes: Buffer])[]>

export function commandTable(names: Iterable<string>): CommandTable {
  const table = new Map<number, [string, Buffer][]>()
  for (const name of names) {
    const bytes = Buffer.from(name)
    const others = table.get(bytes.length)
    if (others === undefined) table.set(bytes.length, [[name, bytes]])
    else others.push([name, bytes])
  }
  return table
}

function matches(expected: Buffer, bytes: Buffer, at: number): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false
  return true
}
