import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Block } from './memory.ts'
import { Outbox } from './outbox.ts'

/** Takes at most `most` bytes in all, as a socket with so much room would. */
function sink(most: number): { taken: Buffer; send: (from: Block, start: number, length: number) => number } {
  const parts: Buffer[] = []
  let room = most
  return {
    get taken() {
      return Buffer.concat(parts)
    },
    send(from, start, length) {
      const count = Math.min(room, length)
      parts.push(Buffer.from(from.bytes.subarray(start, start + count)))
      room -= count
      return count
    },
  }
}

test('bytes leave in the order in which they came, however they are cut', () => {
  const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 5_000 }), { maxLength: 20 })
  fc.assert(
    fc.property(pieces, fc.array(fc.integer({ min: 0, max: 9_000 }), { maxLength: 20 }), (chunks, rooms) => {
      const outbox = new Outbox()
      const sent: Buffer[] = []
      for (const [index, chunk] of chunks.entries()) {
        outbox.push(chunk)
        const some = sink(rooms[index] ?? 0)
        outbox.flush(some.send)
        sent.push(some.taken)
      }
      const rest = sink(Number.POSITIVE_INFINITY)
      expect(outbox.flush(rest.send)).toBe(true)
      expect(outbox.isEmpty).toBe(true)
      expect(Buffer.concat([...sent, rest.taken]).equals(Buffer.concat(chunks))).toBe(true)
    }),
  )
})

test('more than a block holds is spread over several', () => {
  const outbox = new Outbox()
  const bytes = Buffer.alloc(1_000_000, 'abcdefghij')
  outbox.push(bytes)
  expect(outbox.take().equals(bytes)).toBe(true)
  expect(outbox.isEmpty).toBe(true)
})

test('a failure leaves everything where it is', () => {
  const outbox = new Outbox()
  outbox.push(Buffer.from('kept'))
  expect(outbox.flush(() => -11)).toBe(false)
  expect(outbox.take().toString()).toBe('kept')
})

test('what was cleared is gone, and its memory is used again', () => {
  const outbox = new Outbox()
  outbox.push(Buffer.from('secret'))
  outbox.clear()
  outbox.push(Buffer.from('x'))
  expect(outbox.take().toString()).toBe('x')
})
