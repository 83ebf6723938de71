import { fixedResolver, type Resolver } from '@proxy/kernel'
import { describe, expect, it } from 'vitest'
import { lockedWakes } from './locked-wakes.ts'
import { validate } from './validate.ts'

const config = { listeners: [{ address: 0, protocol: 'http' }], resolver: { fixed: 'h:1' } }
const paths = (changes: object): string[] => validate({ ...config, ...changes }).map(({ path }) => path)

describe('cluster and redis', () => {
  it.each([
    [{ cluster: { redis: 'redis://r:6379', name: 'a', prefix: 'x:', lockWakes: true } }],
    [{ cluster: { redis: { sentinels: [{ host: 's', port: 26_379 }], name: 'routes' } } }],
    [{ cluster: { redis: { cluster: ['r:6379'] } }, resolver: { redis: {} } }],
    [{ resolver: { redis: { redis: 'rediss://r', maxRoutes: 10, leaseMs: 5_000, commandTimeoutMs: 100 } } }],
  ])('takes %j', (changes) => {
    expect(paths(changes)).toEqual([])
  })

  it.each([
    [{ cluster: {} }, 'cluster.redis'],
    [{ cluster: { redis: 'http://r' } }, 'cluster.redis'],
    [{ cluster: { redis: 'redis://r', nmae: 'a' } }, 'cluster.nmae'],
    [{ resolver: { redis: { redis: 'r:6379' } } }, 'resolver.redis.redis'],
    [{ resolver: { redis: { maxRoutes: 0 } } }, 'resolver.redis.maxRoutes'],
  ])('refuses %j', (changes, path) => {
    expect(paths(changes)).toEqual([path])
  })

  it('locks the wakes of a resolver that has some, when it is told to', async () => {
    const waking: Resolver = { name: 'own', resolve: () => 'h:1', wake: () => Promise.resolve('h:1') }
    const cluster = { redis: 'redis://127.0.0.1:1' }
    expect(await lockedWakes(waking, cluster)).toBe(waking)
    const fixed = fixedResolver('h:1')
    expect(await lockedWakes(fixed, { ...cluster, lockWakes: true })).toBe(fixed)
    const locked = (await lockedWakes(waking, { ...cluster, lockWakes: true })) as Resolver
    expect(locked).not.toBe(waking)
    expect(locked).toMatchObject({ name: 'own', placement: 'primary' })
    await locked.close?.()
  })
})
