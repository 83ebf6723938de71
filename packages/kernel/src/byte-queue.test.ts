import { describe, expect, it } from 'vitest'
import { ByteQueue } from './byte-queue.ts'

describe('ByteQueue', () => {
  it('returns bytes in order, however they were appended and taken', () => {
    const queue = new ByteQueue()
    queue.append(Buffer.from('abc'))
    queue.append(Buffer.from('defgh'))
    expect(queue.take(4).toString()).toBe('abcd')
    queue.append(Buffer.from('ij'))
    expect(queue.view().toString()).toBe('efghij')
    expect(queue.take().toString()).toBe('efghij')
    expect(queue.length).toBe(0)
  })

  it('copies what it is given, as the bytes are borrowed', () => {
    const queue = new ByteQueue()
    const borrowed = Buffer.from('secret')
    queue.append(borrowed)
    borrowed.fill(0)
    expect(queue.take().toString()).toBe('secret')
  })

  it('keeps views valid while more is appended and taken', () => {
    const queue = new ByteQueue()
    queue.append(Buffer.from('head'))
    const view = queue.view()
    queue.take()
    for (let i = 0; i < 100; i += 1) queue.append(Buffer.from('xxxxxxxx'))
    expect(view.toString()).toBe('head')
  })

  it('grows by doubling, so that single bytes cost linear time', () => {
    const queue = new ByteQueue()
    const one = Buffer.from('x')
    for (let i = 0; i < 100_000; i += 1) queue.append(one)
    expect(queue.take().equals(Buffer.alloc(100_000, 'x'))).toBe(true)
  })
})
