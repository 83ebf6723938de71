import { describe, expect, it, vi } from 'vitest'
import { layerContext, type TestContext } from '../__fixtures__/layers.ts'
import { never, request } from '../__fixtures__/request.ts'
import { backend } from '../backend.ts'
import type { Backend, PeerCertificate, Resolve, RouteRequest, TlsInfo } from '../contracts.ts'
import { GatewayError, ResolveError, type ResolveErrorKind } from '../errors.ts'
import { type CacheOptions, cache } from './cache.ts'

type Answer = Backend | Promise<Backend>

interface Cached {
  readonly context: TestContext
  readonly next: ReturnType<typeof vi.fn<Resolve>>
  readonly changed: (id: string) => void
  readonly dispose: () => void
  ask(key?: string, more?: Partial<RouteRequest>, signal?: AbortSignal): Answer
}

function cached(answer: Resolve, options?: CacheOptions): Cached {
  let changed: ((id: string) => void) | undefined
  const watch = (listener: (id: string) => void) => {
    changed = listener
    return () => {
      changed = undefined
    }
  }
  const context = layerContext({ resolver: { name: 'test', resolve: () => 'x:1', watch } })
  const layer = cache(options)
  const dispose = layer.setup?.(context) ?? (() => {})
  const next = vi.fn(answer)
  const resolve = layer.resolve?.(next) as Resolve
  return {
    context,
    next,
    dispose,
    changed: (id) => changed?.(id),
    ask: (key = 'alpha', more = {}, signal = never) => resolve(request(key, more), signal),
  }
}

const byKey: Resolve = ({ key }) => backend(`${key}:1`)
const failing =
  (kind: ResolveErrorKind): Resolve =>
  () => {
    throw new ResolveError(kind)
  }
const tls = (serverName: string, fingerprint256?: string): TlsInfo => ({
  version: 'TLSv1.3',
  cipher: 'x',
  alpn: undefined,
  serverName,
  certificate: fingerprint256 === undefined ? undefined : ({ fingerprint256 } as PeerCertificate),
})

it('tells how it does', async () => {
  const context = layerContext()
  const layer = cache()
  expect(layer.stats?.()).toEqual({})
  layer.setup?.(context)
  const resolve = layer.resolve?.(({ key }) => {
    if (key === 'gone') throw new ResolveError('NOT_FOUND')
    return backend(`${key}:1`)
  }) as Resolve
  for (const key of ['a', 'a', 'a', 'b']) await resolve(request(key), never)
  for (let times = 0; times < 3; times++) expect(() => resolve(request('gone'), never)).toThrowError()
  expect(layer.stats?.()).toEqual({ size: 3, hits: 2, misses: 3, negativeHits: 2 })
})

describe('what is remembered', () => {
  it('is the answer, synchronously, until its time is up', () => {
    const { ask, next, context } = cached(byKey, { ttlMs: 100 })
    const first = ask()
    context.clock.advance(99)
    expect(ask()).toBe(first)
    expect(next).toHaveBeenCalledTimes(1)
    context.clock.advance(1)
    void ask()
    expect(next).toHaveBeenCalledTimes(2)
  })

  it('is an asynchronous answer too, given back synchronously', async () => {
    const { ask, next } = cached(async () => backend('a:1'))
    expect(await ask()).toBe(backend('a:1'))
    expect(ask()).toBe(backend('a:1'))
    expect(next).toHaveBeenCalledTimes(1)
  })

  it.each(['NOT_FOUND', 'FORBIDDEN'] as const)('is %s for a shorter time', async (kind) => {
    for (const answer of [failing(kind), async () => failing(kind)(request('x'), never)] satisfies Resolve[]) {
      const { ask, next, context } = cached(answer, { negativeTtlMs: 10 })
      await expect((async () => ask())()).rejects.toMatchObject({ kind })
      expect(() => ask()).toThrowError(expect.objectContaining({ kind }))
      expect(next).toHaveBeenCalledTimes(1)
      context.clock.advance(10)
      await expect((async () => ask())()).rejects.toMatchObject({ kind })
      expect(next).toHaveBeenCalledTimes(2)
    }
  })

  it.each(['UNAVAILABLE', 'TIMEOUT', 'INTERNAL'] as const)('is not %s', (kind) => {
    const { ask, next } = cached(failing(kind))
    expect(() => ask()).toThrowError(expect.objectContaining({ kind }))
    expect(() => ask()).toThrowError(expect.objectContaining({ kind }))
    expect(next).toHaveBeenCalledTimes(2)
  })

  it('is not a backend that is asleep', () => {
    const { ask, next } = cached(() => backend({ endpoint: 'a:1', state: 'asleep' }))
    void ask()
    void ask()
    expect(next).toHaveBeenCalledTimes(2)
  })

  it('is nothing with a TTL of 0', () => {
    const { ask, next } = cached(byKey, { ttlMs: 0 })
    void ask()
    void ask()
    expect(next).toHaveBeenCalledTimes(2)
    const negative = cached(failing('NOT_FOUND'), { negativeTtlMs: 0 })
    expect(() => negative.ask()).toThrowError()
    expect(() => negative.ask()).toThrowError()
    expect(negative.next).toHaveBeenCalledTimes(2)
  })
})

describe('an answer is reused', () => {
  it('only for what a resolver cannot tell apart', () => {
    const { ask, next } = cached(byKey)
    const asks: [string, Partial<RouteRequest>][] = [
      ['alpha', {}],
      ['beta', {}],
      ['alpha', { protocol: 'mysql' }],
      ['alpha', { listener: 'other' }],
      ['alpha', { attributes: { user: 'ann' } }],
      ['alpha', { attributes: { user: 'bob' } }],
      ['alpha', { tls: tls('a.example') }],
      ['alpha', { tls: tls('b.example') }],
      ['alpha', { tls: tls('a.example', 'AA') }],
      ['alpha', { tls: tls('a.example', 'BB') }],
    ]
    for (const [key, more] of asks) void ask(key, more)
    expect(next).toHaveBeenCalledTimes(asks.length)
    for (const [key, more] of asks) void ask(key, { ...more, session: 's2', client: { host: '203.0.113.1', port: 1 } })
    expect(next).toHaveBeenCalledTimes(asks.length)
  })

  it('never for a request that was made to look like another', () => {
    const { ask, next } = cached(() => backend('a:1'))
    const asks: [string, Partial<RouteRequest>][] = [
      ['x', { attributes: { user: 'ann' } }],
      ['x4:user3:ann', {}],
      ['x', { attributes: { user: 'ann4:role3:dba' } }],
      ['x', { attributes: { user: 'ann', role: 'dba' } }],
      ['x', { tls: tls('ann') }],
      ['x', { tls: { ...tls('ann'), serverName: undefined } }],
      ['x\0-', {}],
      ['x\u00003:ann-', {}],
    ]
    for (const [key, more] of asks) void ask(key, more)
    expect(next).toHaveBeenCalledTimes(asks.length)
  })

  it('by what the caller says it depends on', () => {
    const { ask, next } = cached(byKey, { slot: ({ key }) => key })
    void ask('alpha', { attributes: { user: 'ann' } })
    void ask('alpha', { attributes: { user: 'bob' } })
    expect(next).toHaveBeenCalledTimes(1)
  })
})

describe('forgetting', () => {
  it('follows a purge of the key, its errors included', () => {
    const { ask, next, context } = cached(({ key }) =>
      key === 'alpha' ? backend('a:1') : failing('NOT_FOUND')(request(key), never),
    )
    void ask()
    expect(() => ask('beta')).toThrowError()
    context.hooks.emit('route:purge', { key: 'beta' })
    void ask()
    expect(() => ask('beta')).toThrowError()
    expect(next).toHaveBeenCalledTimes(3)
    context.hooks.emit('route:purge', { key: 'alpha' })
    void ask()
    expect(next).toHaveBeenCalledTimes(4)
  })

  it('follows a change of the backend, under every key it has', () => {
    const { ask, next, changed } = cached(({ key }) =>
      backend({ endpoint: `${key}:1`, id: key === 'other' ? 'b2' : 'b1' }),
    )
    for (const key of ['alpha', 'beta', 'other']) void ask(key)
    changed('b1')
    for (const key of ['alpha', 'beta', 'other']) void ask(key)
    expect(next).toHaveBeenCalledTimes(5)
  })

  it('follows the waking of the backend', () => {
    const { ask, next, context } = cached(byKey)
    const woken = ask() as Backend
    context.hooks.emit('wake:end', { backend: woken, key: 'alpha', durationMs: 1, error: undefined })
    void ask()
    expect(next).toHaveBeenCalledTimes(2)
  })

  it.each(['purge', 'change', 'wake'])('covers answers that were on their way at the %s', async (how) => {
    const answers = [Promise.withResolvers<Backend>(), Promise.withResolvers<Backend>()] as const
    let asked = 0
    const { ask, next, context, changed } = cached(() => answers[asked++ as 0 | 1].promise)
    const before = ask()
    const old = backend({ endpoint: 'old:1', id: 'b1' })
    if (how === 'purge') context.hooks.emit('route:purge', { key: 'alpha' })
    else if (how === 'change') changed('b1')
    else context.hooks.emit('wake:end', { backend: old, key: 'alpha', durationMs: 1, error: undefined })
    const after = ask()
    answers[1].resolve(backend('new:1'))
    expect(await after).toBe(backend('new:1'))
    answers[0].resolve(old)
    expect(await before).toBe(old)
    expect(ask()).toBe(backend('new:1'))
    expect(next).toHaveBeenCalledTimes(2)
  })

  it('leaves other keys alone when one is purged while they are looked up', async () => {
    const { ask, next, context } = cached(async ({ key }) => backend(`${key}:1`))
    const answer = ask('beta')
    context.hooks.emit('route:purge', { key: 'alpha' })
    await answer
    await ask('beta')
    expect(next).toHaveBeenCalledTimes(1)
  })

  it('ends with the layer', () => {
    const { context, dispose } = cached(byKey)
    dispose()
    expect(context.hooks.has('route:purge') || context.hooks.has('wake:end')).toBe(false)
  })
})

describe('looking up', () => {
  it('happens once for all who wait', async () => {
    const answer = Promise.withResolvers<Backend>()
    const { ask, next } = cached(() => answer.promise)
    const all = Array.from({ length: 100 }, async () => ask())
    answer.resolve(backend('a:1'))
    expect(new Set(await Promise.all(all))).toEqual(new Set([backend('a:1')]))
    expect(next).toHaveBeenCalledTimes(1)
  })

  it('fails for all who wait', async () => {
    const answer = Promise.withResolvers<Backend>()
    const { ask, next } = cached(() => answer.promise)
    const all = [ask(), ask()]
    answer.reject(new ResolveError('UNAVAILABLE'))
    for (const one of all) await expect(one).rejects.toMatchObject({ kind: 'UNAVAILABLE' })
    expect(next).toHaveBeenCalledTimes(1)
  })

  it('goes on when one of several leaves, who learns at once', async () => {
    const answer = Promise.withResolvers<Backend>()
    const { ask, next } = cached(() => answer.promise)
    const leaver = new AbortController()
    const left = ask('alpha', {}, leaver.signal)
    const stayed = ask()
    leaver.abort(new GatewayError('PROXY_CLIENT_GONE'))
    await expect(left).rejects.toMatchObject({ code: 'PROXY_CLIENT_GONE' })
    expect(next.mock.calls[0]?.[1].aborted).toBe(false)
    answer.resolve(backend('a:1'))
    expect(await stayed).toBe(backend('a:1'))
  })

  it('is cancelled when the last one leaves, and begun anew for the next', async () => {
    const answers = [Promise.withResolvers<Backend>(), Promise.withResolvers<Backend>()] as const
    let asked = 0
    const { ask, next } = cached(() => answers[asked++ as 0 | 1].promise)
    const leaver = new AbortController()
    const left = ask('alpha', {}, leaver.signal)
    leaver.abort(new GatewayError('PROXY_CLIENT_GONE'))
    await expect(left).rejects.toMatchObject({ code: 'PROXY_CLIENT_GONE' })
    expect(next.mock.calls[0]?.[1].aborted).toBe(true)
    const second = ask()
    answers[0].reject(new Error('aborted'))
    answers[1].resolve(backend('a:1'))
    expect(await second).toBe(backend('a:1'))
  })
})

describe('the bound', () => {
  it('keeps the routes in use and drops the others', () => {
    const { ask, next } = cached(byKey, { maxEntries: 10 })
    for (let round = 0; round < 20; round++) {
      void ask('hot')
      for (let i = 0; i < 5; i++) void ask(`scan${round}-${i}`)
    }
    expect(next.mock.calls.filter(([asked]) => asked.key === 'hot')).toHaveLength(1)
    next.mockClear()
    void ask('scan0-0')
    expect(next).toHaveBeenCalledTimes(1)
  })

  it('holds when every route is in use', () => {
    const { ask, next } = cached(byKey, { maxEntries: 3 })
    for (let i = 0; i < 2; i++) for (const key of ['a', 'b', 'c']) void ask(key)
    expect(next).toHaveBeenCalledTimes(3)
    void ask('d')
    next.mockClear()
    for (const key of ['b', 'c', 'd']) void ask(key)
    expect(next).not.toHaveBeenCalled()
  })
})

it('keeps the answers of one configuration apart from those of the next', () => {
  const layer = cache()
  layer.setup?.(layerContext())
  const before = layer.resolve?.(() => backend('old:1')) as Resolve
  expect(before(request('a'), never)).toBe(backend('old:1'))
  layer.setup?.(layerContext())
  const after = layer.resolve?.(() => backend('new:1')) as Resolve
  expect(after(request('a'), never)).toBe(backend('new:1'))
  expect(before(request('a'), never)).toBe(backend('old:1'))
})

it.each([{ ttlMs: -1 }, { negativeTtlMs: Number.NaN }, { maxEntries: 0 }])('refuses %j', (options) => {
  expect(() => cache(options)).toThrowError(expect.objectContaining({ code: 'PROXY_CONFIG_INVALID' }))
})
