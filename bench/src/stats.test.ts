import { expect, test } from 'vitest'
import { median, pairedRatios, spread } from './stats.ts'

test('the median is the middle value, or the mean of the two in the middle', () => {
  expect(median([9, 1, 5])).toBe(5)
  expect(median([10, 1, 2, 4])).toBe(3)
  expect(median([7])).toBe(7)
  expect(median([])).toBeNaN()
})

test('the median leaves its input as it is', () => {
  const values = [3, 1, 2]
  median(values)
  expect(values).toEqual([3, 1, 2])
})

test('the spread has the extremes beside the median', () => {
  expect(spread([4, 1, 2])).toEqual({ median: 2, min: 1, max: 4 })
})

test('ratios are those of the same round', () => {
  expect(pairedRatios([10, 30], [20, 20])).toEqual([0.5, 1.5])
})

test('a round without a counterpart, or against nothing, gives no ratio', () => {
  expect(pairedRatios([10, 30, 5], [20, 0])).toEqual([0.5])
})
