import { memoryTransport } from '@proxy/testkit'
import { describe, expect, it } from 'vitest'
import { dialledTo, dialRequest, layerContext, type TestContext } from '../__fixtures__/layers.ts'
import { never } from '../__fixtures__/request.ts'
import { formatAddress } from '../address.ts'
import type { Dial, Dialled, DialRequest, Endpoint, Layer, Link, Resolution } from '../contracts.ts'
import { type ErrorCode, GatewayError } from '../errors.ts'
import { type BalanceOptions, balance } from './balance.ts'
import { retry } from './retry.ts'

const trio = { endpoint: ['a:1', 'b:1', 'c:1'], id: 'trio' }
const weighted = { id: 'weighted', endpoint: ['a:1', 'b:1', 'c:1'].map((name, i) => endpointOf(name, i + 1)) }
const code = (name: ErrorCode): unknown => expect.objectContaining({ code: name })

function endpointOf(name: string, weight: number, draining = false): Endpoint {
  return { host: name.slice(0, 1), port: 1, weight, draining }
}

interface Balanced {
  readonly context: TestContext
  readonly layer: Layer
  /** Everything that was dialled, in order. */
  readonly tried: string[]
  readonly failing: Map<string, ErrorCode>
  readonly dispose: () => void
  /** A connection that stays open until its link is closed. */
  dial(resolution?: Resolution, more?: Partial<DialRequest>): Promise<FakeLink>
  share(times: number, resolution?: Resolution, hold?: boolean): Promise<Record<string, number>>
}

class FakeLink {
  readonly endpoint: Endpoint
  #onClose: (() => void) | undefined

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint
  }

  onceClosed(listener: () => void): void {
    this.#onClose = listener
  }

  close(): void {
    this.#onClose?.()
  }
}

function balanced(options?: BalanceOptions): Balanced {
  const tried: string[] = []
  const failing = new Map<string, ErrorCode>()
  const context = layerContext()
  const layer = balance(options)
  const dispose = layer.setup?.(context) ?? (() => {})
  const base: Dial = async (request) => {
    const address = formatAddress(request.endpoint)
    tried.push(address)
    const error = failing.get(address)
    if (error !== undefined) throw new GatewayError(error)
    return { ...dialledTo(request), link: new FakeLink(request.endpoint) as unknown as Link }
  }
  const dial = layer.dial?.(retry().dial?.(base) as Dial) as Dial
  const made: Balanced = {
    context,
    layer,
    tried,
    failing,
    dispose,
    async dial(resolution = trio, more = {}) {
      const { link } = await dial(dialRequest(resolution, more), never)
      return link as unknown as FakeLink
    },
    async share(times, resolution = trio, hold = false) {
      const counts: Record<string, number> = {}
      for (let i = 0; i < times; i++) {
        const link = await made.dial(resolution)
        counts[link.endpoint.host] = (counts[link.endpoint.host] ?? 0) + 1
        if (!hold) link.close()
      }
      return counts
    },
  }
  return made
}

const policies = ['least-connections', 'p2c'] as const

function expectShares(counts: Record<string, number>, expected: Record<string, number>, within: number): void {
  for (const [host, share] of Object.entries(expected)) {
    expect(Math.abs((counts[host] ?? 0) - share)).toBeLessThanOrEqual(within)
  }
}

describe.each(policies)('%s', (policy) => {
  it('holds the weights over short connections', async () => {
    const counts = await balanced({ policy }).share(6_000, weighted)
    expectShares(counts, { a: 1_000, b: 2_000, c: 3_000 }, policy === 'p2c' ? 200 : 1)
  })

  it('holds the weights over connections that stay', async () => {
    const counts = await balanced({ policy }).share(600, weighted, true)
    expectShares(counts, { a: 100, b: 200, c: 300 }, policy === 'p2c' ? 30 : 1)
  })

  it('gives nothing to endpoints of weight 0, unhealthy ones and those that drain while there are others', async () => {
    const endpoint = [endpointOf('a:1', 0), endpointOf('b:1', 1, true), endpointOf('c:1', 1), endpointOf('d:1', 1)]
    const made = balanced({ policy })
    const some = { id: 'some', endpoint }
    await made.dial(some)
    const { backend } = dialRequest(some)
    const unhealthy = {
      backend,
      endpoint: endpoint[3] as Endpoint,
      healthy: false,
      by: 'check',
      error: undefined,
    } as const
    made.context.hooks.emit('endpoint:health', unhealthy)
    expect(await made.share(50, some)).toEqual({ c: 50 })
    made.failing.set('c:1', 'PROXY_DIAL_REFUSED')
    made.failing.set('a:1', 'PROXY_DIAL_REFUSED')
    made.failing.set('d:1', 'PROXY_BACKEND_UNHEALTHY')
    made.tried.length = 0
    await made.dial(some)
    expect(made.tried).toEqual(['c:1', 'a:1', 'd:1', 'b:1'])
  })

  it('prefers whoever has fewer connections', async () => {
    const made = balanced({ policy })
    const links = await Promise.all(Array.from({ length: 300 }, () => made.dial()))
    for (const link of links) if (link.endpoint.host === 'b') link.close()
    const counts = await made.share(policy === 'p2c' ? 60 : 90, trio, true)
    expect(counts['b']).toBeGreaterThan(policy === 'p2c' ? 30 : 89)
  })
})

it('is evener by least connections than by the better of two', async () => {
  const spread = async (policy: (typeof policies)[number]): Promise<number> => {
    const ten = { id: 'ten', endpoint: Array.from({ length: 10 }, (_, i) => `h${i}:1`) }
    const counts = Object.values(await balanced({ policy }).share(1_000, ten, true))
    return Math.max(...counts) - Math.min(...counts)
  }
  expect(await spread('least-connections')).toBe(0)
  expect(await spread('p2c')).toBeLessThan(40)
})

it('goes on with the endpoints that are left, the least loaded first, and counts where it ended', async () => {
  const made = balanced()
  made.failing.set('a:1', 'PROXY_DIAL_REFUSED')
  const links = await Promise.all(Array.from({ length: 30 }, () => made.dial()))
  const rows = made.layer.stats?.()['endpoints'] as { endpoint: string; connections: number }[]
  expect(rows.map(({ connections }) => connections)).toEqual([0, 15, 15])
  for (const link of links) link.close()
  const after = made.layer.stats?.()['endpoints'] as { connections: number }[]
  expect(after.map(({ connections }) => connections)).toEqual([0, 0, 0])
})

it('forgets dials that failed', async () => {
  const made = balanced()
  for (const address of ['a:1', 'b:1', 'c:1']) made.failing.set(address, 'PROXY_DIAL_REFUSED')
  for (let i = 0; i < 5; i++) await expect(made.dial()).rejects.toEqual(code('PROXY_DIAL_REFUSED'))
  const rows = made.layer.stats?.()['endpoints'] as { connections: number }[]
  expect(rows.map(({ connections }) => connections)).toEqual([0, 0, 0])
})

describe('slow start', () => {
  const recover = (made: Balanced): void => {
    const { backend, endpoint } = dialRequest(trio)
    for (const healthy of [false, true]) {
      made.context.hooks.emit('endpoint:health', { backend, endpoint, healthy, by: 'check', error: undefined })
    }
  }

  it('gives an endpoint that is healthy again a growing share', async () => {
    const made = balanced({ slowStartMs: 30_000 })
    await made.share(3)
    recover(made)
    expect(made.layer.stats?.()).toMatchObject({ endpoints: [{ slowStart: true }, { slowStart: false }, {}] })
    const shares: number[] = []
    for (let i = 0; i < 4; i++) {
      shares.push((await made.share(300))['a'] ?? 0)
      made.context.clock.advance(10_000)
    }
    // Of 300 its fair share is 100: a twentieth, a third, two thirds, all of it.
    expectShares(Object.fromEntries(shares.entries()), { 0: 5, 1: 33, 2: 67, 3: 100 }, 2)
  })

  it('does not fill it up at once, though it has no connections', async () => {
    const made = balanced({ slowStartMs: 30_000 })
    for (const link of await Promise.all(Array.from({ length: 300 }, () => made.dial()))) {
      if (link.endpoint.host === 'a') link.close()
    }
    recover(made)
    expect((await made.share(60, trio, true))['a'] ?? 0).toBeLessThanOrEqual(2)
  })

  it('is for endpoints that are added, not for all of a backend that is new', async () => {
    const made = balanced({ slowStartMs: 30_000 })
    expect(await made.share(30)).toEqual({ a: 10, b: 10, c: 10 })
    const counts = await made.share(100, { ...trio, endpoint: [...trio.endpoint, 'd:1'] })
    expect(counts['d'] ?? 0).toBeLessThanOrEqual(2)
  })

  it('can be turned off', async () => {
    const made = balanced({ slowStartMs: 0 })
    await made.share(3)
    recover(made)
    expect(await made.share(300)).toEqual({ a: 100, b: 100, c: 100 })
  })
})

it('leaves an endpoint alone while its circuit is open, and tries it when that is over', async () => {
  const made = balanced({ slowStartMs: 0 })
  await made.share(3)
  const { backend, endpoint } = dialRequest(trio)
  made.context.hooks.emit('circuit:change', { backend, endpoint, state: 'open', openMs: 1_000 })
  expect(await made.share(10)).toEqual({ b: 5, c: 5 })
  made.context.clock.advance(1_000)
  expect((await made.share(3))['a']).toBe(1)
})

it('leaves alone what has one endpoint, and what the gateway dials on its own account', async () => {
  const made = balanced()
  await made.dial('x:1')
  await made.dial(trio, { session: undefined })
  await made.dial(trio, { session: undefined })
  expect(made.tried).toEqual(['x:1', 'a:1', 'a:1'])
  expect(made.layer.stats?.()).toEqual({ endpoints: [] })
})

it('leaves nothing behind', async () => {
  const made = balanced()
  await made.dial()
  made.dispose()
  expect(made.context.clock.timers).toBe(0)
  expect(made.context.hooks.has('endpoint:health') || made.context.hooks.has('circuit:change')).toBe(false)
})

it('holds the weights over 10,000 connections of a real transport, and sees each of them close', async () => {
  const transport = memoryTransport()
  const layer = balance()
  layer.setup?.(layerContext())
  const hosts = ['10.0.0.1', '10.0.0.2', '10.0.0.3']
  const endpoint = hosts.map((host, i) => ({ host, port: 1, weight: i + 1 }))
  for (const host of hosts) transport.backend(`${host}:1`, () => undefined)
  const dial = layer.dial?.(async (request, signal): Promise<Dialled> => {
    const { host, port = 1 } = request.endpoint
    const link = await transport.connect({ host, port, timeoutMs: 1_000 }, signal)
    return { link, endpoint: request.endpoint, tls: undefined }
  }) as Dial
  const counts: Record<string, number> = {}
  for (let round = 0; round < 100; round++) {
    const batch = await Promise.all(
      Array.from({ length: 100 }, () => dial(dialRequest({ id: 'weighted', endpoint }), never)),
    )
    for (const { link, endpoint: to } of batch) {
      counts[to.host] = (counts[to.host] ?? 0) + 1
      link.destroy()
    }
  }
  expectShares(counts, { '10.0.0.1': 1_667, '10.0.0.2': 3_333, '10.0.0.3': 5_000 }, 100)
  await expect
    .poll(() => layer.stats?.())
    .toMatchObject({ endpoints: [{ connections: 0 }, { connections: 0 }, { connections: 0 }] })
  await transport.close?.()
})

it.each([{ policy: 'random' as never }, { slowStartMs: -1 }])('refuses %j', (options) => {
  expect(() => balance(options)).toThrowError(code('PROXY_CONFIG_INVALID'))
})
