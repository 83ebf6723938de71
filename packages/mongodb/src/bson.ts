import { GatewayError } from '@proxy/kernel'

/** The element types (bsonspec.org, version 1.1) that are read or written here. */
export const types = {
  double: 0x01,
  string: 0x02,
  document: 0x03,
  array: 0x04,
  binary: 0x05,
  objectId: 0x07,
  boolean: 0x08,
  date: 0x09,
  int32: 0x10,
  int64: 0x12,
} as const

/** An empty document: its length and its end. */
export const minDocumentBytes = 5

export function malformed(what: string): GatewayError {
  return new GatewayError('PROXY_MALFORMED', { message: `malformed message: ${what}` })
}

/** The size of a value that begins at `at`; 0 = more bytes are needed to tell, -1 = it has none. Throws `PROXY_MALFORMED`. */
export function valueSize(type: number, bytes: Buffer, at: number, end: number): number {
  switch (type) {
    case 0x01: // double
    case 0x09: // date
    case 0x11: // timestamp
    case 0x12: // int64
      return 8
    case 0x02: // string
    case 0x0d: // code
    case 0x0e: // symbol
      return prefixed(bytes, at, end, 4, 1)
    case 0x03: // document
    case 0x04: // array
      return prefixed(bytes, at, end, 0, minDocumentBytes)
    case 0x05: // binary
      return prefixed(bytes, at, end, 5, 0)
    case 0x07: // ObjectId
      return 12
    case 0x08: // boolean
      return 1
    case 0x10: // int32
      return 4
    default:
      return rareSize(type, bytes, at, end)
  }
}

function rareSize(type: number, bytes: Buffer, at: number, end: number): number {
  switch (type) {
    case 0x06: // undefined
    case 0x0a: // null
    case 0x7f: // max key
    case 0xff: // min key
      return -1
    case 0x0b: // regular expression: pattern and options
      return twoStrings(bytes, at, end)
    case 0x0c: // DBPointer
      return prefixed(bytes, at, end, 16, 1)
    case 0x0f: // code with scope
      return prefixed(bytes, at, end, 0, 14)
    case 0x13: // decimal128
      return 16
    default:
      throw malformed('a value of an unknown type')
  }
}

/** What a length says that stands in front of the value; `extra` bytes beside are not counted in it. */
function prefixed(bytes: Buffer, at: number, end: number, extra: number, least: number): number {
  if (end - at < 4) return 0
  const length = readLength(bytes, at)
  if (length < least) throw malformed('a value with an impossible length')
  return length + extra
}

function twoStrings(bytes: Buffer, at: number, end: number): number {
  let zeros = 0
  for (let i = at; i < end; i++) if (bytes[i] === 0 && ++zeros === 2) return i + 1 - at
  return 0
}

/** A signed 32-bit number; several times faster than `readInt32LE`, as it checks nothing. */
export function readLength(bytes: Buffer, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  )
}

/** Walks the elements of a document that is there as a whole, without looking into what it passes by. */
export class Elements {
  readonly bytes: Buffer
  type = 0
  key = ''
  /** Where the element begins: its type. */
  startAt = 0
  valueAt: number
  valueEnd: number
  readonly #end: number

  /** Throws `PROXY_MALFORMED` when there is no document of exactly this size. */
  constructor(bytes: Buffer, at: number = 0, end: number = bytes.length) {
    const fits = end - at >= minDocumentBytes && end <= bytes.length && at >= 0
    if (!fits || readLength(bytes, at) !== end - at || bytes[end - 1] !== 0) {
      throw malformed('a document with a wrong length')
    }
    this.bytes = bytes
    this.valueAt = at
    this.valueEnd = at + 4
    this.#end = end - 1
  }

  /** Moves on to the next element. False: that was the last one. Throws `PROXY_MALFORMED`. */
  next(): boolean {
    this.startAt = this.valueEnd
    if (this.startAt === this.#end) return false
    this.type = this.bytes[this.startAt] as number
    const zero = this.bytes.indexOf(0, this.startAt + 1)
    if (zero < 0 || zero >= this.#end) throw malformed('a key without an end')
    this.key = this.bytes.toString('utf8', this.startAt + 1, zero)
    this.valueAt = zero + 1
    const size = valueSize(this.type, this.bytes, this.valueAt, this.#end)
    this.valueEnd = this.valueAt + Math.max(size, 0)
    if (size === 0 || this.valueEnd > this.#end) throw malformed('a value that is longer than its document')
    return true
  }

  /** The whole element, type and key included, as it may stand in another document. */
  get element(): Buffer {
    return this.bytes.subarray(this.startAt, this.valueEnd)
  }

  /** undefined: the value is no string. */
  get string(): string | undefined {
    return this.type === types.string ? this.bytes.toString('utf8', this.valueAt + 4, this.valueEnd - 1) : undefined
  }

  /** undefined: the value is no number. */
  get number(): number | undefined {
    if (this.type === types.int32) return this.bytes.readInt32LE(this.valueAt)
    if (this.type === types.double) return this.bytes.readDoubleLE(this.valueAt)
    if (this.type === types.int64) return Number(this.bytes.readBigInt64LE(this.valueAt))
    return undefined
  }

  /** As MongoDB takes flags: `true`, or a number other than 0. */
  get truth(): boolean {
    if (this.type === types.boolean) return this.bytes[this.valueAt] === 1
    return (this.number ?? 0) !== 0
  }

  /** The bytes of a binary value; undefined: the value is none. */
  get binary(): Buffer | undefined {
    return this.type === types.binary ? this.bytes.subarray(this.valueAt + 5, this.valueEnd) : undefined
  }

  /** The elements of a value that is a document; undefined: it is none. */
  get inner(): Elements | undefined {
    if (this.type !== types.document) return undefined
    return new Elements(this.bytes, this.valueAt, this.valueEnd)
  }
}

/** Writes one document. */
export class DocumentWriter {
  readonly #parts: Buffer[] = []
  #length = minDocumentBytes

  int32(key: string, value: number): this {
    const bytes = this.#element(types.int32, key, 4)
    bytes.writeInt32LE(value, bytes.length - 4)
    return this
  }

  double(key: string, value: number): this {
    const bytes = this.#element(types.double, key, 8)
    bytes.writeDoubleLE(value, bytes.length - 8)
    return this
  }

  /** Milliseconds since 1970. */
  date(key: string, value: number): this {
    const bytes = this.#element(types.date, key, 8)
    bytes.writeBigInt64LE(BigInt(value), bytes.length - 8)
    return this
  }

  boolean(key: string, value: boolean): this {
    const bytes = this.#element(types.boolean, key, 1)
    bytes[bytes.length - 1] = value ? 1 : 0
    return this
  }

  string(key: string, value: string): this {
    const length = Buffer.byteLength(value) + 1
    const bytes = this.#element(types.string, key, 4 + length)
    bytes.writeInt32LE(length, bytes.length - length - 4)
    bytes.write(value, bytes.length - length)
    bytes[bytes.length - 1] = 0
    return this
  }

  /** `value` has twelve bytes. */
  objectId(key: string, value: Buffer): this {
    const bytes = this.#element(types.objectId, key, 12)
    value.copy(bytes, bytes.length - 12, 0, 12)
    return this
  }

  document(key: string, value: Buffer): this {
    const bytes = this.#element(types.document, key, value.length)
    value.copy(bytes, bytes.length - value.length)
    return this
  }

  strings(key: string, values: readonly string[]): this {
    const array = new DocumentWriter()
    for (const [index, value] of values.entries()) array.string(String(index), value)
    return this.#array(key, array)
  }

  int32s(key: string, values: readonly number[]): this {
    const array = new DocumentWriter()
    for (const [index, value] of values.entries()) array.int32(String(index), value)
    return this.#array(key, array)
  }

  /** An element of another document, as {@link Elements.element} gives it. */
  copy(element: Buffer | undefined): this {
    if (element === undefined) return this
    this.#parts.push(element)
    this.#length += element.length
    return this
  }

  end(): Buffer {
    const bytes = Buffer.alloc(this.#length)
    bytes.writeInt32LE(this.#length, 0)
    let at = 4
    for (const part of this.#parts) at += part.copy(bytes, at)
    return bytes
  }

  #array(key: string, array: DocumentWriter): this {
    const value = array.end()
    const bytes = this.#element(types.array, key, value.length)
    value.copy(bytes, bytes.length - value.length)
    return this
  }

  #element(type: number, key: string, valueBytes: number): Buffer {
    const keyBytes = Buffer.byteLength(key)
    const bytes = Buffer.alloc(keyBytes + 2 + valueBytes)
    bytes[0] = type
    bytes.write(key, 1)
    this.#parts.push(bytes)
    this.#length += bytes.length
    return bytes
  }
}
