import { type Bytes, toBuffer } from './bytes.ts'

const maxGrowth = 64
const maxEdits = 6
/** Values at which lengths, counts and types tend to break. */
const edges: readonly number[] = [
  0x00, 0x01, 0x7f, 0x80, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff, 0x0a, 0x0d, 0x20, 0x2e, 0x22,
]

/**
 * Mutations of the samples by the hundred thousand: about a microsecond each, where `mutated` takes hundreds. The same
 * seed gives the same inputs in the same order. One buffer serves them all: an input is valid until the next is taken.
 */
export function* fuzzed(samples: readonly Bytes[], count: number, seed: number): Generator<Buffer, void, undefined> {
  const mutator = new Mutator(samples.map(toBuffer), seed)
  for (let i = 0; i < count; i++) yield mutator.next()
}

/** Edits in place; nothing is allocated for an input but the view of it. */
class Mutator {
  readonly #samples: readonly Buffer[]
  readonly #bytes: Buffer
  #length = 0
  #state: number

  constructor(samples: readonly Buffer[], seed: number) {
    const longest = Math.max(32, ...samples.map((sample) => sample.length))
    this.#samples = samples.length === 0 ? [Buffer.alloc(32)] : samples
    this.#bytes = Buffer.alloc(longest + maxEdits * maxGrowth)
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 1
  }

  next(): Buffer {
    this.#take(this.#samples[this.#below(this.#samples.length)]!)
    for (let left = 1 + this.#below(maxEdits); left > 0; left--) this.#edit()
    return this.#bytes.subarray(0, this.#length)
  }

  #take(sample: Buffer): void {
    sample.copy(this.#bytes)
    this.#length = sample.length
  }

  #edit(): void {
    const at = this.#below(this.#length + 1)
    switch (this.#below(20)) {
      case 0:
      case 1:
        return this.#set(at, edges[this.#below(edges.length)]!)
      case 2:
        return this.#set(at, (this.#bytes[at] ?? 0) ^ (1 << this.#below(8)))
      case 3:
        return this.#fill(at, 2 + this.#below(7))
      case 4:
        return this.#insert(at, 1 + this.#below(maxGrowth))
      case 5:
        return this.#remove(at, 1 + this.#below(maxGrowth))
      case 6:
        return this.#repeat(at, 1 + this.#below(maxGrowth))
      case 7:
        return this.#splice(at)
      case 8:
        this.#length = at
        return
      default:
        return this.#set(at, this.#below(256))
    }
  }

  #set(at: number, value: number): void {
    if (at < this.#length) this.#bytes[at] = value
  }

  /** A length field of all zeros, all ones or anything. */
  #fill(at: number, length: number): void {
    const end = Math.min(this.#length, at + length)
    const kind = this.#below(3)
    for (let i = at; i < end; i++) this.#bytes[i] = kind === 0 ? 0 : kind === 1 ? 0xff : this.#below(256)
  }

  #insert(at: number, length: number): void {
    this.#bytes.copyWithin(at + length, at, this.#length)
    const value = this.#below(3)
    for (let i = at; i < at + length; i++) this.#bytes[i] = value === 0 ? 0 : value === 1 ? 0x41 : this.#below(256)
    this.#length += length
  }

  #remove(at: number, length: number): void {
    const cut = Math.min(length, this.#length - at)
    this.#bytes.copyWithin(at, at + cut, this.#length)
    this.#length -= cut
  }

  #repeat(at: number, length: number): void {
    const copied = Math.min(length, this.#length - at)
    this.#bytes.copyWithin(at + copied, at, this.#length)
    this.#length += copied
  }

  /** The head of this sample and the tail of another. */
  #splice(at: number): void {
    const other = this.#samples[this.#below(this.#samples.length)]!
    const tail = other.subarray(Math.min(at, other.length))
    tail.copy(this.#bytes, at)
    this.#length = Math.min(this.#bytes.length, at + tail.length)
  }

  /** xorshift32: 0 to `limit` - 1. */
  #below(limit: number): number {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state
    return (state >>> 0) % limit
  }
}
