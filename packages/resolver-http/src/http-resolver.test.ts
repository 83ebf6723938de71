import { backend, type Backend, type Resolver } from '@proxy/kernel'
import { fakeClock, type FakeClock } from '@proxy/testkit'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControlPlaneServer } from '../test/control-plane-server.ts'
import { requestFor } from '../test/request.ts'
import { resolverOf } from './http-resolver.ts'
import type { HttpResolverOptions } from './options.ts'
import { settingsOf } from './settings.ts'

const never = new AbortController().signal

describe('httpResolver', () => {
  let plane: ControlPlaneServer
  let clock: FakeClock
  const open: Resolver[] = []

  beforeEach(async () => {
    plane = await new ControlPlaneServer().open()
    clock = fakeClock()
  })

  afterEach(async () => {
    await Promise.all(open.splice(0).map(async (resolver) => resolver.close?.()))
    await plane[Symbol.asyncDispose]()
  })

  const resolverWith = (options: Partial<HttpResolverOptions> = {}): Resolver => {
    const resolver = resolverOf(settingsOf({ url: `${plane.url}/route`, ...options }), clock)
    open.push(resolver)
    return resolver
  }

  const ask = async (resolver: Resolver, key = 'a', signal = never): Promise<Backend> =>
    backend(await resolver.resolve(requestFor(key), signal))

  const codeOf = (asked: Promise<unknown>): Promise<unknown> =>
    asked.then(
      () => 'answered',
      (error: { code: string }) => error.code,
    )

  describe('the question', () => {
    it('is a GET with key and protocol, and the token', async () => {
      plane.says('10.0.0.1:5432')
      await ask(resolverWith({ token: 'secret' }), 'a b&c')
      expect(plane.asked[0]).toMatchObject({
        method: 'GET',
        url: '/route?key=a%20b%26c&protocol=postgres',
        headers: { authorization: 'Bearer secret', accept: 'application/json' },
      })
    })

    it('is what a template makes of it', async () => {
      plane.says('10.0.0.1:5432')
      await ask(resolverWith({ url: `${plane.url}/{protocol}/tenants/{key}?at={listener}` }), 'x/../y')
      expect(plane.asked[0]!.url).toBe('/postgres/tenants/x%2F..%2Fy?at=main')
    })

    it.each(['', '.', '..', '\ud800', 'x'.repeat(3_000)])('is not asked for %j', async (key) => {
      const resolver = resolverWith({ url: `${plane.url}/tenants/{key}` })
      expect(await codeOf(ask(resolver, key))).toBe('PROXY_RESOLVE_NOT_FOUND')
      expect(plane.asked).toEqual([])
    })

    it('is asked once by 200 at a time, over few connections', async () => {
      plane.says('10.0.0.1:5432')
      const resolver = resolverWith({ connections: 2 })
      const keys = Array.from({ length: 200 }, (_, index) => `key${index % 10}`)
      await Promise.all(keys.map((key) => ask(resolver, key)))
      expect(plane.asked).toHaveLength(10)
      expect(plane.connections).toBeLessThanOrEqual(2)
    })

    it('goes on for the others when one leaves', async () => {
      const release = Promise.withResolvers<void>()
      plane.reply = (_said, response) => void release.promise.then(() => response.end('"10.0.0.1:1"'))
      const resolver = resolverWith()
      const leaver = new AbortController()
      const left = ask(resolver, 'a', leaver.signal)
      const stays = ask(resolver)
      leaver.abort(new Error('left'))
      await expect(left).rejects.toThrow('left')
      release.resolve()
      expect((await stays).endpoints[0]).toMatchObject({ host: '10.0.0.1' })
    })
  })

  describe('the answer', () => {
    it('may be a whole record', async () => {
      plane.says({
        id: 'tenant-a',
        endpoint: ['10.0.0.1:5432', { host: '10.0.0.2', port: 5432, weight: 2, draining: true }],
        metadata: { plan: 'pro' },
        timeoutMs: 1_000,
        state: 'asleep',
        tls: { mode: 'negotiated', serverName: 'db.internal' },
        proxyProtocol: 2,
      })
      expect(await ask(resolverWith())).toMatchObject({
        id: 'tenant-a',
        endpoints: [
          { host: '10.0.0.1', port: 5432 },
          { host: '10.0.0.2', port: 5432, weight: 2, draining: true },
        ],
        metadata: { plan: 'pro' },
        connectTimeoutMs: 1_000,
        state: 'asleep',
        tls: { mode: 'negotiated', serverName: 'db.internal' },
        proxyProtocol: 2,
      })
    })

    it.each([
      ['no JSON', 'nothing'],
      ['no endpoint', '{}'],
      ['a number', '7'],
      ['a list', '[]'],
      ['an endpoint that is none', '{"endpoint":"a:b:c"}'],
      ['an id that is no text', '{"endpoint":"a:1","id":7}'],
      ['metadata that is no object', '{"endpoint":"a:1","metadata":"x"}'],
      ['a state that there is not', '{"endpoint":"a:1","state":"tired"}'],
      ['a TLS mode that there is not', '{"endpoint":"a:1","tls":"maybe"}'],
      ['a certificate that is no text', '{"endpoint":"a:1","tls":{"mode":"implicit","ca":{}}}'],
      ['more than fits', JSON.stringify({ endpoint: 'a:1', metadata: { x: 'x'.repeat(70_000) } })],
    ])('is an internal error when it is %s', async (_name, body) => {
      plane.reply = (_said, response) => void response.end(body)
      expect(await codeOf(ask(resolverWith()))).toBe('PROXY_RESOLVE_INTERNAL')
    })

    it.each([
      [404, 'PROXY_RESOLVE_NOT_FOUND'],
      [410, 'PROXY_RESOLVE_NOT_FOUND'],
      [403, 'PROXY_RESOLVE_FORBIDDEN'],
      [429, 'PROXY_RESOLVE_UNAVAILABLE'],
      [500, 'PROXY_RESOLVE_UNAVAILABLE'],
      [503, 'PROXY_RESOLVE_UNAVAILABLE'],
      [504, 'PROXY_RESOLVE_TIMEOUT'],
      [401, 'PROXY_RESOLVE_INTERNAL'],
      [302, 'PROXY_RESOLVE_INTERNAL'],
    ])('of %i is %s', async (status, code) => {
      plane.says('10.0.0.1:1', { location: `${plane.url}/other` }, status)
      expect(await codeOf(ask(resolverWith()))).toBe(code)
      expect(plane.asked).toHaveLength(1)
    })

    it('hands on when to try again, and does not ask before', async () => {
      plane.says('', { 'retry-after': '7' }, 503)
      const resolver = resolverWith()
      for (let i = 0; i < 3; i++) await expect(ask(resolver)).rejects.toMatchObject({ retryAfterMs: 7_000 })
      expect(plane.asked).toHaveLength(1)
      clock.advance(7_000)
      plane.says('10.0.0.1:1')
      await ask(resolver)
    })

    it('is a timeout when it does not come, and unavailable when nobody is there', async () => {
      plane.reply = () => undefined
      expect(await codeOf(ask(resolverWith({ timeoutMs: 50 })))).toBe('PROXY_RESOLVE_TIMEOUT')
      expect(await codeOf(ask(resolverWith({ url: 'http://127.0.0.1:1/' })))).toBe('PROXY_RESOLVE_UNAVAILABLE')
    })
  })

  describe('its freshness', () => {
    /** How often the control plane was asked. */
    const asked = async (resolver: Resolver, times = 1): Promise<number> => {
      for (let i = 0; i < times; i++) await ask(resolver).catch(() => undefined)
      return plane.asked.length
    }

    it('is that of max-age, less its age; then it is asked for again', async () => {
      plane.says('10.0.0.1:1', { 'cache-control': 'public, max-age=60', age: '20' })
      const resolver = resolverWith()
      expect(await asked(resolver, 3)).toBe(1)
      expect(resolver.resolve(requestFor('a'), never)).not.toBeInstanceOf(Promise)
      clock.advance(39_999)
      expect(await asked(resolver)).toBe(1)
      clock.advance(1)
      expect(await asked(resolver)).toBe(2)
    })

    it('is that of the options where it says nothing', async () => {
      plane.says('10.0.0.1:1')
      const resolver = resolverWith({ ttlMs: 100 })
      expect(await asked(resolver, 3)).toBe(1)
      clock.advance(100)
      expect(await asked(resolver)).toBe(2)
    })

    it('is none with no-store', async () => {
      plane.says('10.0.0.1:1', { 'cache-control': 'no-store, max-age=60' })
      const resolver = resolverWith()
      expect(await asked(resolver, 3)).toBe(3)
      expect(resolver.stats?.()).toMatchObject({ entries: 0 })
    })

    it('begins anew with 304', async () => {
      plane.reply = ({ headers }, response) => {
        const same = headers['if-none-match'] === '"1"'
        response.writeHead(same ? 304 : 200, { etag: '"1"', 'cache-control': 'max-age=10' })
        response.end(same ? undefined : '"10.0.0.1:1"')
      }
      const resolver = resolverWith()
      const first = await ask(resolver)
      clock.advance(10_000)
      expect(await ask(resolver)).toBe(first)
      expect(await asked(resolver, 3)).toBe(2)
      expect(resolver.stats?.()).toMatchObject({ requests: 2, unchanged: 1 })
    })

    it('may be over while a new answer is on its way', async () => {
      plane.says('10.0.0.1:1', { 'cache-control': 'max-age=10, stale-while-revalidate=30' })
      const resolver = resolverWith()
      const changed: string[] = []
      resolver.watch?.((id) => changed.push(id))
      const first = await ask(resolver)
      clock.advance(15_000)
      plane.says('10.0.0.2:1', { 'cache-control': 'max-age=10' })
      expect(await ask(resolver)).toBe(first)
      await vi.waitFor(() => expect(changed).toEqual([first.id]))
      expect((await ask(resolver)).endpoints[0]).toMatchObject({ host: '10.0.0.2' })
      expect(plane.asked).toHaveLength(2)
    })

    it('may be over when there is no other answer to be had', async () => {
      plane.says('10.0.0.1:1', { 'cache-control': 'max-age=10, stale-if-error=30' })
      const resolver = resolverWith()
      const first = await ask(resolver)
      clock.advance(15_000)
      plane.says('', {}, 500)
      expect(await ask(resolver)).toBe(first)
      plane.says('', {}, 404)
      expect(await codeOf(ask(resolver))).toBe('PROXY_RESOLVE_NOT_FOUND')
      clock.advance(30_000)
      plane.says('', {}, 500)
      expect(await codeOf(ask(resolver))).toBe('PROXY_RESOLVE_UNAVAILABLE')
    })

    it('of "not found" is short, unless it says more', async () => {
      const resolver = resolverWith()
      expect(await asked(resolver, 3)).toBe(1)
      clock.advance(1_000)
      plane.says('', { 'cache-control': 'max-age=60' }, 404)
      expect(await asked(resolver, 3)).toBe(2)
      clock.advance(59_000)
      expect(await asked(resolver)).toBe(2)
    })

    it('ends with purge', async () => {
      plane.says('10.0.0.1:1')
      const resolver = resolverWith()
      await asked(resolver)
      await resolver.purge?.('a')
      expect(await asked(resolver)).toBe(2)
    })

    it('is remembered of so many, those asked for last', async () => {
      plane.says('10.0.0.1:1')
      const resolver = resolverWith({ maxEntries: 2 })
      for (const key of ['a', 'b', 'c']) await ask(resolver, key)
      expect(resolver.stats?.()).toMatchObject({ entries: 2, requests: 3 })
      await ask(resolver, 'c')
      expect(plane.asked).toHaveLength(3)
    })
  })

  describe('wake and sleep', () => {
    const urls = (): Partial<HttpResolverOptions> => ({
      wakeUrl: `${plane.url}/backends/{id}/wake`,
      sleepUrl: `${plane.url}/backends/{id}/sleep`,
    })

    it('are not there unless they are configured', () => {
      const resolver = resolverWith()
      expect([resolver.wake, resolver.sleep]).toEqual([undefined, undefined])
    })

    it('are told to the control plane, and what was known is asked for anew', async () => {
      const state = { now: 'asleep' }
      plane.reply = ({ url }, response) => {
        if (url.endsWith('/wake')) state.now = 'ready'
        if (url.endsWith('/sleep')) state.now = 'asleep'
        if (!url.startsWith('/route')) return void response.writeHead(204).end()
        response.end(JSON.stringify({ id: 'tenant a', endpoint: '10.0.0.1:1', state: state.now, metadata: { n: 1 } }))
      }
      const resolver = resolverWith({ ...urls(), token: 'secret' })
      const changed: string[] = []
      resolver.watch?.((id) => changed.push(id))
      const asleep = await ask(resolver)
      expect(await resolver.wake?.(asleep, never)).toBe(asleep)
      expect(plane.asked[1]).toMatchObject({
        method: 'POST',
        url: '/backends/tenant%20a/wake',
        headers: { authorization: 'Bearer secret' },
        body: JSON.stringify({ id: 'tenant a', metadata: { n: 1 } }),
      })
      expect((await ask(resolver)).state).toBe('ready')
      await resolver.sleep?.(asleep)
      expect(changed).toEqual(['tenant a'])
      expect((await ask(resolver)).state).toBe('asleep')
    })

    it('takes where the backend is now', async () => {
      plane.says('10.0.0.9:1')
      const resolver = resolverWith(urls())
      expect(await resolver.wake?.(backend({ id: 'x', endpoint: 'y:1' }), never)).toMatchObject({
        endpoints: [{ host: '10.0.0.9', port: 1 }],
      })
    })

    it('fail as an answer does, and by their signal', async () => {
      const resolver = resolverWith(urls())
      const asleep = backend({ id: 'x', endpoint: 'y:1' })
      plane.says('', { 'retry-after': '3' }, 503)
      await expect(resolver.wake?.(asleep, never)).rejects.toMatchObject({
        code: 'PROXY_RESOLVE_UNAVAILABLE',
        retryAfterMs: 3_000,
      })
      plane.reply = () => undefined
      const abort = new AbortController()
      const woken = resolver.wake?.(asleep, abort.signal)
      await vi.waitFor(() => expect(plane.asked).toHaveLength(2))
      abort.abort(new Error('late'))
      await expect(woken).rejects.toMatchObject({ code: 'PROXY_RESOLVE_UNAVAILABLE' })
    })
  })

  it.each([
    [{ url: 'nowhere' }, /url is no URL/],
    [{ url: 'ftp://x/' }, /url is no URL/],
    [{ url: 'http://{key}.internal/' }, /only the path/],
    [{ url: 'http://x/', wakeUrl: 'y' }, /wakeUrl is no URL/],
    [{ url: 'http://x/', timeoutMs: 0 }, /timeoutMs: 0/],
  ])('refuses %j', (options, message) => {
    expect(() => settingsOf(options)).toThrow(message)
  })
})
