import type { Backend, Resolver } from '@proxy/kernel'
import {
  describeNeeding,
  type RedisCluster,
  redisClusterServers,
  type RedisSentinels,
  redisSentinels,
} from '@proxy/test-servers'
import { Cluster } from 'ioredis'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { RedisRoutes, redisResolver, type RedisSource, wakeWorker } from '../src/index.ts'
import { answerOf, never, resolved } from './support.ts'

async function listening(resolver: Resolver): Promise<void> {
  const fit = { state: 'ready', listening: true }
  await vi.waitFor(() => expect(resolver.stats!()).toMatchObject(fit), { timeout: 15_000 })
}

/** Settles when something written by one client reaches the other as a message. */
async function tells(routes: RedisRoutes, resolver: Resolver): Promise<void> {
  await listening(resolver)
  const { id } = await resolved(resolver, 'told')
  const changed = vi.fn<(id: string) => void>()
  const unwatch = resolver.watch!(changed)
  await routes.put('told', `10.0.1.1:${1 + Math.floor(Math.random() * 60_000)}`)
  await vi.waitFor(() => expect(changed).toHaveBeenCalledWith(id))
  unwatch()
}

describeNeeding(['redis-server'], 'Sentinel', () => {
  let servers: RedisSentinels
  beforeAll(async () => {
    servers = await redisSentinels()
  })
  afterAll(() => servers.stop())

  it('fails over: known routes are served throughout, then the new primary is asked', async () => {
    const redis: RedisSource = { sentinels: [...servers.sentinels], name: servers.name }
    const routes = new RedisRoutes({ redis })
    const resolver = redisResolver({ redis })
    for (const key of ['alpha', 'told']) await routes.put(key, '10.0.0.1:1')
    expect(await answerOf(resolver, 'alpha')).toBe('10.0.0.1:1')
    await tells(routes, resolver)
    await servers.primary.kill()
    await vi.waitFor(async () => {
      expect(await answerOf(resolver, 'alpha')).toBe('10.0.0.1:1')
      expect(resolver.stats!()['state']).toBe('stale')
    })
    await vi.waitFor(() => routes.put('alpha', '10.0.0.2:2'), { timeout: 15_000, interval: 100 })
    await listening(resolver)
    expect(await answerOf(resolver, 'alpha')).toBe('10.0.0.2:2')
    await tells(routes, resolver)
    await resolver.close!()
    routes.close()
  })
})

describeNeeding(['redis-server'], 'Redis Cluster', () => {
  let servers: RedisCluster
  beforeAll(async () => {
    servers = await redisClusterServers()
  })
  afterAll(() => servers.stop())

  it('routes, wakes and tells on whatever node a key is, also when its slot moves', async () => {
    const redis: RedisSource = { cluster: servers.endpoints.slice(0, 1) }
    const routes = new RedisRoutes({ redis })
    const resolver = redisResolver({ redis })
    const keys = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'told']
    for (const key of keys)
      await routes.put(key, { endpoint: '10.0.0.1:1', state: key === 'beta' ? 'asleep' : 'ready' })
    for (const key of keys) expect(await answerOf(resolver, key)).toBe('10.0.0.1:1')
    await tells(routes, resolver)

    const worker = wakeWorker({ redis, start: () => Promise.resolve('10.0.0.2:2') })
    const woken = await resolver.wake!(await resolved(resolver, 'beta'), never)
    expect((woken as Backend).endpoints).toEqual([{ host: '10.0.0.2', port: 2 }])
    await worker.close()

    for (let moves = 0; moves < 3; moves++) {
      await servers.moveSlotOf('proxy:route:alpha')
      expect(await answerOf(resolver, 'alpha')).toBe('10.0.0.1:1')
    }
    expect(resolver.stats!()).toMatchObject({ state: 'ready', servedStale: 0 })
    await routes.put('alpha', '10.0.0.3:3')
    expect(await answerOf(resolver, 'alpha')).toBe('10.0.0.3:3')
    await resolver.close!()
    routes.close()
  })

  it("takes a client of its owner's, and leaves it open", async () => {
    const client = new Cluster(servers.endpoints.map((endpoint) => `redis://${endpoint}`))
    const resolver = redisResolver({ redis: client })
    const routes = new RedisRoutes({ redis: client })
    await routes.put('zeta', '10.0.0.9:9')
    expect(await answerOf(resolver, 'zeta')).toBe('10.0.0.9:9')
    await listening(resolver)
    await resolver.close!()
    routes.close()
    expect(await client.exists('proxy:route:zeta')).toBe(1)
    client.disconnect()
  })
})
