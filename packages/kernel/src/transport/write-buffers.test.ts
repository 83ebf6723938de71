import { describe, expect, it } from 'vitest'
import { WriteBuffers } from './write-buffers.ts'

describe('buffers for writes', () => {
  it('are used again', () => {
    const buffers = new WriteBuffers(64, 4)
    const first = buffers.borrow()
    buffers.giveBack(first)
    expect(buffers.borrow()).toBe(first)
  })

  it('are never lent twice at a time, and only so many are kept', () => {
    const buffers = new WriteBuffers(64, 128)
    const lent = Array.from({ length: 300 }, () => buffers.borrow())
    expect(new Set(lent).size).toBe(300)
    for (const buffer of lent) buffers.giveBack(buffer)
    const again = new Set(Array.from({ length: 300 }, () => buffers.borrow()))
    expect(again.size).toBe(300)
    expect(lent.filter((buffer) => again.has(buffer)).length).toBe(128)
  })
})
