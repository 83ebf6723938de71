import { expect, test } from 'vitest'
import { layoutOf } from './layout.ts'
import { addressIn, block, offsetIn } from './memory.ts'

test('an address never leaves its block', () => {
  const one = block(64)
  expect(one.address).toBeGreaterThan(0)
  expect(addressIn(one, 60, 4) - one.address).toBe(60)
  for (const [offset, length] of [
    [-1, 1],
    [0, 65],
    [61, 4],
    [0, -1],
  ] as const) {
    expect(() => addressIn(one, offset, length)).toThrow(RangeError)
  }
})

test('bytes are known by the block that they lie in', () => {
  const [one, other] = [block(64), block(64)]
  expect(offsetIn(one, one.bytes.subarray(7, 9))).toBe(7)
  expect(offsetIn(one, other.bytes.subarray(7, 9))).toBe(-1)
  expect(offsetIn(one, Buffer.from('pooled'))).toBe(-1)
})

test('epoll events are packed on x86-64 alone', () => {
  expect(layoutOf('x64')).toEqual({ eventWords: 3, fdWord: 1 })
  expect(layoutOf('arm64')).toEqual({ eventWords: 4, fdWord: 2 })
  expect(layoutOf('mips')).toBeUndefined()
})
