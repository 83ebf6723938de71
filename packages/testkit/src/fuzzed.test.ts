import { expect, test } from 'vitest'
import { fuzzed } from './fuzzed.ts'

const samples = ['HELLO alpha\r\n', Buffer.from('4a0000000a', 'hex')]
const take = (count: number, seed: number, from = samples): string[] =>
  Array.from(fuzzed(from, count, seed), (bytes) => bytes.toString('latin1'))

test('fuzzed gives the same inputs for the same seed, and others for another', () => {
  expect(take(500, 1)).toEqual(take(500, 1))
  expect(take(500, 1)).not.toEqual(take(500, 2))
})

test('fuzzed stays near its samples, and hardly ever gives the same twice', () => {
  const inputs = take(10_000, 3)
  expect(new Set(inputs).size).toBeGreaterThan(7_000)
  expect(inputs.filter((input) => input.includes('alpha')).length).toBeGreaterThan(1_000)
})

test('fuzzed cuts, grows and empties, within bounds', () => {
  const lengths = take(10_000, 4).map((input) => input.length)
  expect(Math.min(...lengths)).toBe(0)
  expect(Math.max(...lengths)).toBeGreaterThan(64)
  expect(Math.max(...lengths)).toBeLessThanOrEqual(32 + 6 * 64)
})

test('fuzzed without samples is bytes of any kind', () => {
  expect(new Set(take(1_000, 5, [])).size).toBeGreaterThan(500)
})

test('a million inputs take a moment', () => {
  let bytes = 0
  for (const input of fuzzed(samples, 1_000_000, 6)) bytes += input.length
  expect(bytes).toBeGreaterThan(1_000_000)
})
