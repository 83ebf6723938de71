import { describe, expect, it } from 'vitest'
import { borrowBuffer, deservesBuffer, giveBack } from './write-buffers.ts'

describe('buffers for writes', () => {
  it('are used again', () => {
    const first = borrowBuffer()
    giveBack(first)
    expect(borrowBuffer()).toBe(first)
  })

  it('are never lent twice at a time', () => {
    const lent = Array.from({ length: 300 }, () => borrowBuffer())
    expect(new Set(lent).size).toBe(300)
    for (const buffer of lent) giveBack(buffer)
    const again = new Set(Array.from({ length: 300 }, () => borrowBuffer()))
    expect(again.size).toBe(300)
    // Only so many were kept.
    expect(lent.filter((buffer) => again.has(buffer)).length).toBe(128)
  })

  it('are for copies that do not fit the slab of Node', () => {
    expect([64, 4_096, 4_097, 65_536, 65_537].map(deservesBuffer)).toEqual(
      [64, 4_096, 4_097, 65_536, 65_537].map((length) => length > Buffer.poolSize >>> 1 && length <= 65_536),
    )
  })
})
