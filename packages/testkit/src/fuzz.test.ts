import fc from 'fast-check'
import { expect, test } from 'vitest'
import { arbitrarySplits, everySplit, garbage, mutated } from './fuzz.ts'

test('everySplit cuts at every offset', () => {
  expect([...everySplit('abc')].map((parts) => parts.map(String))).toEqual([
    ['', 'abc'],
    ['a', 'bc'],
    ['ab', 'c'],
    ['abc', ''],
  ])
})

test('arbitrarySplits loses no byte', () => {
  fc.assert(fc.property(arbitrarySplits('0123456789'), (parts) => Buffer.concat(parts).toString() === '0123456789'))
  expect(fc.sample(arbitrarySplits('0123456789'), 200).some((parts) => parts.length > 3)).toBe(true)
})

test('mutated stays near its sample, and is not always the same', () => {
  const samples = fc.sample(mutated(['HELLO alpha\r\n']), 100).map((bytes) => bytes.toString('latin1'))
  expect(new Set(samples).size).toBeGreaterThan(50)
  expect(samples.filter((sample) => sample.includes('alpha')).length).toBeGreaterThan(10)
})

test('garbage without samples is random bytes', () => {
  for (const bytes of fc.sample(garbage([], 16), 50)) expect(bytes.length).toBeLessThanOrEqual(16)
})
