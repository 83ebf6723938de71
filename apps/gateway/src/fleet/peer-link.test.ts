import { afterEach, describe, expect, it, vi } from 'vitest'
import { type Envelope, PeerLink } from './peer-link.ts'

// The way that the primary routes: by number, through JSON.
function connect(...numbers: number[]): PeerLink[] {
  const links = new Map<number, PeerLink>()
  const send = (envelope: Envelope): boolean => {
    const target = links.get(envelope.to)
    if (target !== undefined) queueMicrotask(() => target.receive(JSON.parse(JSON.stringify(envelope)) as Envelope))
    return target !== undefined
  }
  for (const number of numbers) links.set(number, new PeerLink(number, send))
  return [...links.values()]
}

describe('PeerLink', () => {
  afterEach(() => vi.useRealTimers())

  it('asks a peer and gets its answer, which says who asked', async () => {
    const [one, two] = connect(1, 2)
    two!.answer('double', (message, from) => ({ from, value: Number(message) * 2 }))
    expect(await one!.request(2, 'double', 21)).toEqual({ from: 1, value: 42 })
  })

  it('asks itself without sending', async () => {
    const [alone] = connect(0)
    alone!.answer('echo', (message) => message)
    expect(await alone!.request(0, 'echo', 'x')).toBe('x')
  })

  it('passes a failure on', async () => {
    const [one, two] = connect(1, 2)
    two!.answer('fail', () => Promise.reject(new Error('no such key')))
    await expect(one!.request(2, 'fail', undefined)).rejects.toThrow('no such key')
    await expect(one!.request(2, 'other', undefined)).rejects.toThrow('does not answer other')
  })

  it('rejects for a peer that is unknown, and for one that goes', async () => {
    const [one, two] = connect(1, 2)
    await expect(one!.request(7, 'x', undefined)).rejects.toThrow('no peer 7')
    two!.answer('never', () => new Promise(() => undefined))
    const asked = one!.request(2, 'never', undefined)
    one!.forget(2)
    await expect(asked).rejects.toThrow('peer 2 is gone')
  })

  it('waits for five seconds', async () => {
    vi.useFakeTimers()
    const [one, two] = connect(1, 2)
    two!.answer('never', () => new Promise(() => undefined))
    let failure: unknown
    one!.request(2, 'never', undefined).catch((error: unknown) => (failure = error))
    await vi.advanceTimersByTimeAsync(4_999)
    expect(failure).toBeUndefined()
    await vi.advanceTimersByTimeAsync(1)
    expect(String(failure)).toContain('did not answer never in time')
  })
})
