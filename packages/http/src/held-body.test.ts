import { expect, test } from 'vitest'
import { HeldBody } from './held-body.ts'

function drain(held: HeldBody): Buffer[] {
  const pieces: Buffer[] = []
  for (let piece = held.shift(); piece !== undefined; piece = held.shift()) pieces.push(piece)
  return pieces
}

test('what was held comes out in order, whatever the pieces', () => {
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251))
  for (const step of [1, 7, 4_096, 16_384, 70_000]) {
    const held = new HeldBody()
    for (let at = 0; at < bytes.length; at += step) held.push(bytes, at, Math.min(at + step, bytes.length))
    expect(Buffer.concat(drain(held)).equals(bytes), `pieces of ${step}`).toBe(true)
    expect(held.isEmpty).toBe(true)
  }
})

test('a single piece is kept in a buffer of its size', () => {
  const held = new HeldBody()
  held.push(Buffer.from('a body'), 2, 6)
  expect(held.isEmpty).toBe(false)
  expect(drain(held).map(String)).toEqual(['body'])
})

test('pieces of one byte share buffers', () => {
  const held = new HeldBody()
  const byte = Buffer.from('x')
  for (let i = 0; i < 262_144; i++) held.push(byte, 0, 1)
  const pieces = drain(held)
  expect(pieces.length).toBeLessThan(40)
  expect(pieces.reduce((sum, { length }) => sum + length, 0)).toBe(262_144)
})

test('it can be filled again once it is empty', () => {
  const held = new HeldBody()
  held.push(Buffer.from('one'), 0, 3)
  held.shift()
  expect(held.shift()).toBeUndefined()
  held.push(Buffer.from('two'), 0, 3)
  expect(drain(held).map(String)).toEqual(['two'])
})
