import { everySplit } from '@proxy/testkit'
import { expect, test } from 'vitest'
import { AnswerCount } from './answer-count.ts'
import { encodePacket } from './wire.ts'

const packets = (...sequences: readonly number[]): Buffer =>
  Buffer.concat(sequences.map((sequence) => encodePacket(sequence, Buffer.alloc(sequence % 7, 1))))

function counted(pieces: Iterable<Buffer>): number {
  const count = new AnswerCount()
  for (const piece of pieces) count.take(piece)
  return count.begun
}

test('answers are counted by their first packets, in any split', () => {
  const bytes = packets(2, 1, 2, 3, 1, 1, 2)
  expect(counted([bytes])).toBe(3)
  expect(counted(Array.from(bytes, (byte) => Buffer.of(byte)))).toBe(3)
  for (const pieces of everySplit(bytes)) expect(counted(pieces)).toBe(3)
})

test('a long answer is one', () => {
  const long = Array.from({ length: 1_000 }, (_, index) => (index + 1) & 0xff)
  expect(counted([packets(...long), packets(1)])).toBe(2)
})

test('what looks like a header within a packet is none', () => {
  expect(counted([encodePacket(1, packets(1, 1, 1)), encodePacket(2, Buffer.alloc(70_000, 1)), packets(1)])).toBe(2)
})
