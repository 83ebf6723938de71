import fc from 'fast-check'
import { type Bytes, toBuffer } from './bytes.ts'

/** The bytes in two pieces, cut at every offset, the ends included. */
export function* everySplit(bytes: Bytes): Generator<[Buffer, Buffer]> {
  const all = toBuffer(bytes)
  for (let at = 0; at <= all.length; at++) yield [all.subarray(0, at), all.subarray(at)]
}

/** The bytes in any number of pieces, cut anywhere. */
export function arbitrarySplits(bytes: Bytes): fc.Arbitrary<Buffer[]> {
  const all = toBuffer(bytes)
  return fc.uniqueArray(fc.nat({ max: all.length })).map((cuts) => {
    const offsets = [0, ...cuts.sort((a, b) => a - b), all.length]
    return offsets.slice(1).map((end, index) => all.subarray(offsets[index], end))
  })
}

/** One of the samples with a few bytes overwritten, inserted, removed or repeated, or cut short. */
export function mutated(samples: readonly Bytes[]): fc.Arbitrary<Buffer> {
  const edits = fc.array(fc.record({ kind: fc.nat({ max: 4 }), at: fc.nat(), length: fc.nat({ max: 16 }), byte }), {
    minLength: 1,
    maxLength: 6,
  })
  return fc.tuple(fc.constantFrom(...samples), edits).map(([sample, list]) => list.reduce(edit, toBuffer(sample)))
}

/** Bytes of any kind: random ones, and mutations of the samples where there are any. */
export function garbage(samples: readonly Bytes[], maxLength = 512): fc.Arbitrary<Buffer> {
  const random = fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes))
  return samples.length === 0 ? random : fc.oneof(random, mutated(samples))
}

const byte = fc.nat({ max: 255 })

interface Edit {
  readonly kind: number
  readonly at: number
  readonly length: number
  readonly byte: number
}

function edit(bytes: Buffer, { kind, at, length, byte: value }: Edit): Buffer {
  const offset = bytes.length === 0 ? 0 : at % bytes.length
  const [head, tail] = [bytes.subarray(0, offset), bytes.subarray(offset)]
  switch (kind) {
    case 0:
      return Buffer.concat([head, Buffer.from([value]), tail.subarray(1)])
    case 1:
      return Buffer.concat([head, Buffer.alloc(length, value), tail])
    case 2:
      return Buffer.concat([head, tail.subarray(length)])
    case 3:
      return Buffer.concat([head, tail.subarray(0, length), tail])
    default:
      return Buffer.from(head)
  }
}
