import { latin1 } from './bytes.ts'
import { decodeHuffman, huffmanRoom } from './hpack-huffman.ts'
import { HpackTable } from './hpack-table.ts'
import { Field } from './http2-field.ts'

/** Of the table that a client may fill; what SETTINGS_HEADER_TABLE_SIZE is unless it is sent. */
const tableSize = 4_096
/** Integers of HPACK are below this: no index and no length of ours is anywhere near. */
const maxInteger = 1 << 24

/** For strings while they are decoded. */
let scratch: Buffer = Buffer.allocUnsafe(8_192)

/** Reads the header blocks of one connection (RFC 7541), each to its end, as what it adds to the table matters to the next. */
export class HpackDecoder {
  /** Of the block read last. */
  fields: Field[] = []
  /** That block had more, or more bytes, than is allowed; `fields` ends before. */
  overflow = false
  readonly #table = new HpackTable(tableSize)
  readonly #maxSize: number
  readonly #maxFields: number
  #bytes: Buffer = scratch
  #at = 0
  #end = 0
  #size = 0

  /** `maxSize`: as SETTINGS_MAX_HEADER_LIST_SIZE counts it. */
  constructor(maxSize: number, maxFields: number) {
    this.#maxSize = maxSize
    this.#maxFields = maxFields
  }

  /** False: the block is broken, and the connection with it. */
  decode(bytes: Buffer, start: number, end: number): boolean {
    this.fields = []
    this.overflow = false
    this.#size = 0
    this.#bytes = bytes
    this.#at = start
    this.#end = end
    let read = this.#resizes()
    while (read && this.#at < end) read = this.#field()
    return read
  }

  /** Only the start of a block may change the size of the table (RFC 7541 section 4.2). */
  #resizes(): boolean {
    while (this.#at < this.#end && (this.#bytes[this.#at]! & 0xe0) === 0x20) {
      const size = this.#integer(5)
      if (size < 0 || size > tableSize) return false
      this.#table.resize(size)
    }
    return true
  }

  #field(): boolean {
    const first = this.#bytes[this.#at]!
    if (first >= 0x80) return this.#take(this.#table.at(this.#integer(7)))
    if (first >= 0x40) return this.#literal(6, true)
    return first < 0x20 && this.#literal(4, false)
  }

  #take(field: Field | undefined): boolean {
    if (field === undefined) return false
    this.#size += field.size
    if (this.#size > this.#maxSize || this.fields.length === this.#maxFields) this.overflow = true
    else if (!this.overflow) this.fields.push(field)
    return true
  }

  #literal(bits: number, indexed: boolean): boolean {
    const index = this.#integer(bits)
    if (index < 0) return false
    const name = index === 0 ? this.#string() : this.#table.at(index)?.name
    const value = name === undefined ? undefined : this.#string()
    if (name === undefined || value === undefined) return false
    const field = new Field(name, value)
    if (indexed) this.#table.add(field)
    return this.#take(field)
  }

  /** RFC 7541 section 5.1. Negative: broken or too large. */
  #integer(bits: number): number {
    const bytes = this.#bytes
    const max = (1 << bits) - 1
    let value = bytes[this.#at++]! & max
    if (value < max) return value
    for (let shift = 0; this.#at < this.#end && shift < 28; shift += 7) {
      const byte = bytes[this.#at++]!
      value += (byte & 0x7f) << shift
      if (byte < 0x80) return value < maxInteger ? value : -1
    }
    return -1
  }

  #string(): string | undefined {
    if (this.#at >= this.#end) return undefined
    const huffman = this.#bytes[this.#at]! >= 0x80
    const length = this.#integer(7)
    const start = this.#at
    if (length < 0 || length > this.#end - start) return undefined
    this.#at += length
    return huffman ? huffmanText(this.#bytes, start, this.#at) : latin1(this.#bytes, start, this.#at)
  }
}

function huffmanText(bytes: Buffer, start: number, end: number): string | undefined {
  const room = huffmanRoom(end - start)
  if (room > scratch.length) scratch = Buffer.allocUnsafe(room)
  const length = decodeHuffman(bytes, start, end, scratch)
  return length < 0 ? undefined : latin1(scratch, 0, length)
}
