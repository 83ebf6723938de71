import { describe, expect, it } from 'vitest'
import { Backoff } from './backoff.ts'

describe('Backoff', () => {
  it('is nothing at first, then doubles up to its bound', () => {
    const backoff = new Backoff(100, 1_000, 30_000)
    expect([1, 1, 1, 1, 1, 1, 1].map((lived) => backoff.next(lived))).toEqual([0, 100, 200, 400, 800, 1_000, 1_000])
  })

  it('starts over after a long life', () => {
    const backoff = new Backoff(100, 1_000, 30_000)
    backoff.next(1)
    backoff.next(1)
    expect(backoff.next(30_000)).toBe(0)
    expect(backoff.next(1)).toBe(100)
  })
})
