import { describeNeeding, type RedisServer, redisServer } from '@proxy/test-servers'
import type { Resolver } from '@proxy/kernel'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { RedisRoutes, redisResolver, type RedisResolverOptions } from '../src/index.ts'
import { answerOf, plainClient, resolved } from './support.ts'

describeNeeding(['redis-server'], 'routes in Redis', () => {
  let server: RedisServer
  let routes: RedisRoutes
  const open: Resolver[] = []

  const resolver = (options: RedisResolverOptions = {}): Resolver => {
    const made = redisResolver({ redis: server.url, ...options })
    open.push(made)
    return made
  }

  beforeAll(async () => {
    server = await redisServer()
  })
  afterAll(() => server.stop())

  beforeEach(async () => {
    await using client = plainClient(server)
    await client.flushall()
    routes = new RedisRoutes({ redis: server.url })
  })
  afterEach(async () => {
    routes.close()
    for (const one of open.splice(0)) await one.close?.()
  })

  it('are written, read and removed, and every gateway is told at once', async () => {
    const one = resolver()
    await routes.put('alpha', '10.0.0.1:1')
    const { id } = await resolved(one, 'alpha')
    const changed = vi.fn<(id: string) => void>()
    one.watch!(changed)
    await vi.waitFor(() => expect(one.stats!()['listening']).toBe(true))
    changed.mockClear()
    await routes.put('alpha', '10.0.0.2:1')
    await vi.waitFor(() => expect(changed).toHaveBeenCalledWith(id))
    expect(await answerOf(one, 'alpha')).toBe('10.0.0.2:1')
    expect(await routes.remove('alpha')).toBe(true)
    expect(await answerOf(one, 'alpha')).toBe('PROXY_RESOLVE_NOT_FOUND')
    expect(await routes.get('alpha')).toBeUndefined()
  })

  it('may be written by anything that speaks Redis', async () => {
    const one = resolver()
    await using client = plainClient(server)
    const record = {
      endpoint: [{ host: 'db.internal', port: 5432, weight: 3 }],
      metadata: { plan: 'pro' },
      timeoutMs: 700,
    }
    await client.hset('proxy:route:alpha', 'record', JSON.stringify(record))
    const found = await resolved(one, 'alpha')
    expect(found).toMatchObject({ connectTimeoutMs: 700, metadata: { plan: 'pro' }, state: 'ready' })
    const changed = vi.fn<(id: string) => void>()
    one.watch!(changed)
    await vi.waitFor(() => expect(one.stats!()['listening']).toBe(true))
    changed.mockClear()
    await client.publish('proxy:changed', '{"key":"alpha"}')
    await vi.waitFor(() => expect(changed).toHaveBeenCalledWith(found.id))
  })

  it('are kept under a prefix', async () => {
    const other = new RedisRoutes({ redis: server.url, prefix: 'other:' })
    await other.put('alpha', '10.0.0.9:1')
    other.close()
    expect(await answerOf(resolver(), 'alpha')).toBe('PROXY_RESOLVE_NOT_FOUND')
    expect(await answerOf(resolver({ prefix: 'other:' }), 'alpha')).toBe('10.0.0.9:1')
  })

  describe('that make no sense are INTERNAL, and no other is harmed', () => {
    const records: Record<string, string> = {
      'no JSON': '{',
      'a number': '7',
      'no endpoint': '{"id":"x"}',
      'an endpoint of nonsense': '{"endpoint":"a b c:99999999"}',
      'a list of nothing': '{"endpoint":[]}',
      'a strange state': '{"endpoint":"h:1","state":"tired"}',
      'an id that is no text': '{"endpoint":"h:1","id":{"a":1}}',
      'metadata that is no object': '{"endpoint":"h:1","metadata":[1]}',
      'a huge one': JSON.stringify({ endpoint: 'h:1', metadata: { text: 'x'.repeat(70_000) } }),
    }

    it.each(Object.entries(records))('%s', async (_name, record) => {
      await using client = plainClient(server)
      await client.hset('proxy:route:bad', 'record', record)
      await routes.put('good', '10.0.0.1:1')
      const one = resolver()
      expect(await answerOf(one, 'bad')).toBe('PROXY_RESOLVE_INTERNAL')
      expect(await answerOf(one, 'good')).toBe('10.0.0.1:1')
    })

    it('something that is no hash', async () => {
      await using client = plainClient(server)
      await client.set('proxy:route:bad', '{"endpoint":"h:1"}')
      const one = resolver()
      expect(await answerOf(one, 'bad')).toBe('PROXY_RESOLVE_INTERNAL')
      expect(one.stats!()['state']).toBe('ready')
    })

    it('messages of anybody', async () => {
      const one = resolver()
      await routes.put('alpha', '10.0.0.1:1')
      await vi.waitFor(() => expect(one.stats!()['listening']).toBe(true))
      await using client = plainClient(server)
      for (const text of ['{', 'null', '7', '[]', '{"key":7,"id":[],"lock":{}}', 'x'.repeat(100_000)]) {
        await client.publish('proxy:changed', text)
      }
      expect(await answerOf(one, 'alpha')).toBe('10.0.0.1:1')
    })

    it('what a writer is given', async () => {
      await expect(routes.put('alpha', { endpoint: [] })).rejects.toMatchObject({ code: 'PROXY_RESOLVE_INTERNAL' })
      await expect(routes.put('', 'h:1')).rejects.toMatchObject({ code: 'PROXY_CONFIG_INVALID' })
    })
  })

  it('10,000 of them, of which a bounded number is remembered', async () => {
    await using client = plainClient(server)
    const pipeline = client.pipeline()
    for (let i = 0; i < 10_000; i++) pipeline.hset(`proxy:route:t${i}`, 'record', `{"endpoint":"10.0.0.1:${1 + i}"}`)
    await pipeline.exec()
    const one = resolver({ maxRoutes: 1_000 })
    const forgotten = new Set<string>()
    one.watch!((id) => forgotten.add(id))
    for (let at = 0; at < 10_000; at += 500) {
      const keys = Array.from({ length: 500 }, (_, index) => `t${at + index}`)
      const answers = await Promise.all(keys.map((key) => answerOf(one, key)))
      expect(answers).toEqual(keys.map((_, index) => `10.0.0.1:${1 + at + index}`))
    }
    expect(one.stats!()['routes']).toBe(1_000)
    // No change of these would be told, so caches must not hold them.
    expect(forgotten.size).toBeGreaterThanOrEqual(9_000)
  })
})
