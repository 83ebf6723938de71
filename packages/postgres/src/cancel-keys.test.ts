import { type Clock, systemClock, type Upstream } from '@proxy/kernel'
import { describe, expect, test } from 'vitest'
import { CancelKeys, exactBackend, keyOf, maxWorkers, ownerOf, requestFor } from './cancel-keys.ts'
import { CancelRate } from './cancel-rate.ts'
import { RandomBytes } from './random.ts'
import { encodeCancelRequest } from './wire.ts'

const backend = {
  id: 'one',
  endpoints: [{ host: 'db.test', port: 5432 }, { host: '10.0.0.2' }],
  metadata: {},
  state: 'asleep' as const,
  connectTimeoutMs: undefined,
  tls: { mode: 'negotiated' as const },
  proxyProtocol: 0 as const,
}
const peer = { host: '10.0.0.1', port: 5432 }
const upstream = { key: 'alpha', backend, endpoint: backend.endpoints[0], peer } as unknown as Upstream
const own = { pid: 4711, secret: Buffer.from('12345678') }

describe('minted keys', () => {
  test.each([
    { node: 0, worker: 0 },
    { node: 255, worker: maxWorkers - 1 },
    { node: 3, worker: 7 },
  ])('name their owner, positively: %o', (owner) => {
    const keys = new CancelKeys(owner)
    for (let i = 0; i < 100; i++) {
      const { pid, secret } = keyOf(keys.mint(own, upstream))
      expect(pid).toBeGreaterThan(0)
      expect(pid).toBeLessThanOrEqual(2 ** 31 - 1)
      expect(ownerOf(pid)).toEqual(owner)
      expect(secret).toHaveLength(own.secret.length)
    }
  })

  test('are found until they are forgotten, however many share a pid', () => {
    const keys = new CancelKeys({ node: 0, worker: 0 })
    const minted = Array.from({ length: 20_000 }, () => keys.mint(own, upstream))
    expect(keys.size).toBe(minted.length)
    for (const one of minted) expect(keys.find(keyOf(one))).toBe(one)
    for (const one of minted) keys.forget(one)
    expect(keys.size).toBe(0)
    expect(keys.find(keyOf(minted[0]!))).toBeUndefined()
  })

  test('lead to the very server of the session, verified by its name', () => {
    const cancellable = new CancelKeys({ node: 0, worker: 0 }).mint(own, upstream)
    expect(requestFor(cancellable)).toEqual(encodeCancelRequest(own))
    expect(exactBackend(cancellable)).toMatchObject({
      id: 'one',
      endpoints: [peer],
      state: 'ready',
      tls: { mode: 'negotiated', serverName: 'db.test' },
    })
  })
})

describe('the rate', () => {
  test('is counted by address and begins again', () => {
    let fire = (): void => undefined
    const clock: Clock = { ...systemClock, after: (_, callback) => ((fire = callback), () => undefined) }
    const rate = new CancelRate(2, clock)
    expect(['a', 'a', 'a', 'b'].map((address) => rate.admits(address))).toEqual([true, true, false, true])
    fire()
    expect(rate.admits('a')).toBe(true)
  })

  test('keeps no more addresses than it can bear', () => {
    const clock: Clock = { ...systemClock, after: () => () => undefined }
    const rate = new CancelRate(2, clock)
    for (let i = 0; i < 10_000; i++) expect(rate.admits(String(i))).toBe(true)
    expect(rate.admits('one more')).toBe(false)
    expect(rate.admits('0')).toBe(true)
  })
})

test('random bytes come in every length, and never twice', () => {
  const random = new RandomBytes()
  const lengths = Array.from({ length: 3_000 }, (_, i) => 8 + (i % 249))
  const texts = lengths.map((length) => random.take(length))
  expect(texts.map((text) => text.length)).toEqual(lengths)
  expect(new Set(texts.map((text) => text.slice(0, 8))).size).toBe(lengths.length)
})
