import { describeNeeding, type RedisServer, redisServer } from '@proxy/test-servers'
import type { Resolver } from '@proxy/kernel'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { RedisRoutes, redisResolver, type RedisState } from '../src/index.ts'
import { answerOf, plainClient, resolved } from './support.ts'

describeNeeding(['redis-server'], 'Redis that is away', () => {
  let server: RedisServer
  let routes: RedisRoutes
  let resolver: Resolver
  let states: RedisState[]

  beforeEach(async () => {
    // Kept on disk, so that a server that was killed comes back with what it had.
    const kept = ['--appendonly', 'yes', '--appendfsync', 'always']
    server = await redisServer([...kept, '--enable-debug-command', 'yes'])
    routes = new RedisRoutes({ redis: server.url })
    await routes.put('alpha', '10.0.0.1:1')
    await routes.put('never asked', '10.0.0.2:1')
    states = []
    resolver = redisResolver({ redis: server.url, onState: (state) => states.push(state) })
    await answerOf(resolver, 'alpha')
    await vi.waitFor(() => expect(resolver.stats!()['listening']).toBe(true))
  })

  afterEach(async () => {
    await resolver.close?.()
    routes.close()
    await server.stop()
  })

  const state = (): unknown => resolver.stats!()['state']
  const isBack = (): Promise<void> =>
    vi.waitFor(() => expect(resolver.stats!()).toMatchObject({ state: 'ready', listening: true }), { timeout: 15_000 })

  it('killed: known routes are served, others are UNAVAILABLE, and all is well when it is back', async () => {
    await server.kill()
    await vi.waitFor(() => expect(state()).toBe('stale'))
    expect(await answerOf(resolver, 'alpha')).toBe('10.0.0.1:1')
    await expect(resolved(resolver, 'never asked')).rejects.toMatchObject({
      code: 'PROXY_RESOLVE_UNAVAILABLE',
      retryAfterMs: 1_000,
    })
    expect(resolver.stats!()).toMatchObject({ servedStale: 1 })
    await server.start()
    await isBack()
    expect(await answerOf(resolver, 'never asked')).toBe('10.0.0.2:1')
    expect(states).toEqual(['ready', 'stale', 'ready'])
  })

  it('killed under traffic: not one request for a known route fails', async () => {
    const answers = new Set<string>()
    let going = true
    const traffic = Array.from({ length: 20 }, async () => {
      while (going) {
        answers.add(await answerOf(resolver, 'alpha'))
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
    await server.kill()
    await vi.waitFor(() => expect(state()).toBe('stale'))
    await server.start()
    await isBack()
    going = false
    await Promise.all(traffic)
    expect([...answers]).toEqual(['10.0.0.1:1'])
  })

  it('silent, as behind a cable that was cut: one deadline is waited for, not one for each', async () => {
    server.signal('SIGSTOP')
    expect(await answerOf(resolver, 'alpha')).toBe('10.0.0.1:1')
    expect(state()).toBe('stale')
    const before = performance.now()
    for (let i = 0; i < 1_000; i++) await answerOf(resolver, 'alpha')
    // Each would take 500 ms were it asked for.
    expect(performance.now() - before).toBeLessThan(5_000)
    server.signal('SIGCONT')
    await isBack()
    expect(await answerOf(resolver, 'never asked')).toBe('10.0.0.2:1')
  })

  it('slow: longer than the deadline is away', async () => {
    await using client = plainClient(server)
    const slow = client.debug('SLEEP', 1.5)
    await vi.waitFor(async () => {
      await answerOf(resolver, 'alpha')
      expect(state()).toBe('stale')
    })
    expect(await answerOf(resolver, 'alpha')).toBe('10.0.0.1:1')
    await slow
    await isBack()
  })

  it('is asked for nothing it never answered: what it never told is not made up', async () => {
    await server.kill()
    const fresh = redisResolver({ redis: server.url, commandTimeoutMs: 200 })
    await expect(resolved(fresh, 'alpha')).rejects.toMatchObject({ code: 'PROXY_RESOLVE_UNAVAILABLE' })
    await server.start()
    await vi.waitFor(async () => expect(await answerOf(fresh, 'alpha')).toBe('10.0.0.1:1'), { timeout: 15_000 })
    await fresh.close?.()
  })

  it('forgets what it may have missed: a change while the subscription was gone is not served afterwards', async () => {
    const { id } = await resolved(resolver, 'alpha')
    const changed = vi.fn<(id: string) => void>()
    resolver.watch!(changed)
    await using client = plainClient(server)
    await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await client.hset('proxy:route:alpha', 'record', '{"endpoint":"10.0.0.7:1"}')
    await vi.waitFor(() => expect(changed).toHaveBeenCalledWith(id), { timeout: 15_000 })
    expect(await answerOf(resolver, 'alpha')).toBe('10.0.0.7:1')
    // A change that is told to nobody, as it comes while nobody listens.
    expect(resolver.stats!()).toMatchObject({ state: 'ready', listening: true })
  })
})
