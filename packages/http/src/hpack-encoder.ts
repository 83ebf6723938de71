import { staticFields } from './hpack-table.ts'

const overhead = 32
/** Of the table that the client keeps for us. */
const maxTableSize = 4_096
/** A longer field is not worth the others that it would push out. */
const maxEntry = 512

const staticNames = new Map<string, number>()
const staticPairs = new Map<string, number>()
for (const [i, [name, value]] of staticFields.entries()) {
  if (!staticNames.has(name)) staticNames.set(name, i + 1)
  if (value !== '') staticPairs.set(`${name}: ${value}`, i + 1)
}

/** Values that differ from response to response, and those which others should not be able to guess at. */
const unindexed: ReadonlySet<string> = new Set([
  'content-length',
  'content-range',
  'etag',
  'last-modified',
  'location',
  'age',
  'set-cookie',
  'authorization',
  'x-request-id',
  'x-proxy-duration-ms',
  'traceparent',
  'grpc-message',
])

/** Writes header blocks for one connection (RFC 7541), in the order in which they are sent. Strings are not compressed further. */
export class HpackEncoder {
  /** The number that an entry had when it was added; the newest has `#added`. */
  readonly #known = new Map<string, number>()
  /** Oldest first. */
  readonly #entries: string[] = []
  #size = 0
  #limit = maxTableSize
  #added = 0
  /** The smallest size since the last block, which has to be said in the next. */
  #announce = -1
  #into: Buffer = Buffer.alloc(0)
  #at = 0

  /** The client's SETTINGS_HEADER_TABLE_SIZE. */
  limit(size: number): void {
    const limit = Math.min(size, maxTableSize)
    if (limit === this.#limit) return
    this.#announce = this.#announce < 0 ? limit : Math.min(this.#announce, limit)
    this.#limit = limit
    this.#evict(0)
  }

  /** The fields of a block are written to `into` from `at` on. It has room for what {@link roomFor} says. */
  begin(into: Buffer, at: number): void {
    this.#into = into
    this.#at = at
    if (this.#announce < 0) return
    this.#integer(0x20, 5, this.#announce)
    if (this.#announce !== this.#limit) this.#integer(0x20, 5, this.#limit)
    this.#announce = -1
  }

  /** Where the block ends. */
  get end(): number {
    return this.#at
  }

  status(status: number): void {
    if (status === 200) this.#into[this.#at++] = 0x88
    else this.field(':status', String(status))
  }

  /** `name` in lower case; one byte of latin1 for each character. */
  field(name: string, value: string): void {
    const key = `${name}: ${value}`
    const index = this.#indexOf(key)
    if (index > 0) return this.#integer(0x80, 7, index)
    if (key.length > maxEntry || unindexed.has(name)) return this.#literal(0x00, 4, name, value)
    this.#literal(0x40, 6, name, value)
    this.#add(key)
  }

  #indexOf(key: string): number {
    const added = this.#known.get(key)
    if (added !== undefined) return staticFields.length + 1 + this.#added - added
    return staticPairs.get(key) ?? 0
  }

  #add(key: string): void {
    const size = sizeOf(key)
    this.#evict(size)
    if (size > this.#limit) return
    this.#entries.push(key)
    this.#known.set(key, ++this.#added)
    this.#size += size
  }

  /** Makes room for an entry of so many bytes. */
  #evict(size: number): void {
    while (this.#entries.length > 0 && this.#size + size > this.#limit) {
      const oldest = this.#entries.shift()!
      this.#known.delete(oldest)
      this.#size -= sizeOf(oldest)
    }
  }

  #literal(first: number, bits: number, name: string, value: string): void {
    const known = staticNames.get(name) ?? 0
    this.#integer(first, bits, known)
    if (known === 0) this.#string(name)
    this.#string(value)
  }

  #string(text: string): void {
    this.#integer(0, 7, text.length)
    this.#at += this.#into.write(text, this.#at, 'latin1')
  }

  #integer(first: number, bits: number, value: number): void {
    const max = (1 << bits) - 1
    if (value < max) {
      this.#into[this.#at++] = first | value
      return
    }
    this.#into[this.#at++] = first | max
    for (value -= max; value >= 0x80; value >>>= 7) this.#into[this.#at++] = (value & 0x7f) | 0x80
    this.#into[this.#at++] = value
  }
}

/** The key is longer than the name and the value by its `: `. */
function sizeOf(key: string): number {
  return key.length - 2 + overhead
}

/** Bytes that a block takes at most, whose fields have so many characters in all. */
export function roomFor(fields: number, characters: number): number {
  return 32 + fields * 12 + characters
}

export function charactersOf(fields: readonly (readonly [string, string])[]): number {
  let characters = 0
  for (const [name, value] of fields) characters += name.length + value.length
  return characters
}
