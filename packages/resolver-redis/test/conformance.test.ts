import { ResolveError } from '@proxy/kernel'
import { describeNeeding, type RedisServer, redisServer } from '@proxy/test-servers'
import { resolverConformance } from '@proxy/testkit'
import { afterAll, beforeAll } from 'vitest'
import { RedisRoutes, redisLocked, redisResolver, type WakeWorker, wakeWorker } from '../src/index.ts'

describeNeeding(['redis-server'], 'with a real Redis', () => {
  let server: RedisServer
  let worker: WakeWorker
  let asleep: RedisRoutes

  beforeAll(async () => {
    server = await redisServer()
    asleep = new RedisRoutes({ redis: server.url })
    await asleep.put('alpha', '10.1.0.1:5432')
    await asleep.put('beta', { endpoint: ['10.1.0.2:5432', '10.1.0.3:5432'], id: 'b' })
    await asleep.put('gamma', { endpoint: '10.1.0.4:5432', state: 'asleep' })
    worker = wakeWorker({ redis: server.url, start: () => Promise.resolve('10.1.0.5:5432') })
  })

  afterAll(async () => {
    asleep.close()
    await worker.close()
    await server.stop()
  })

  const known = [
    { key: 'alpha', endpoint: '10.1.0.1:5432' },
    { key: 'beta', endpoint: '10.1.0.2:5432' },
  ]

  resolverConformance({
    name: 'redisResolver',
    resolver: async () => {
      await asleep.put('gamma', { endpoint: '10.1.0.4:5432', state: 'asleep' })
      return redisResolver({ redis: server.url })
    },
    known,
    unknown: 'nobody',
    asleep: 'gamma',
  })

  resolverConformance({
    name: 'redisLocked around a resolver of another kind',
    resolver: () =>
      redisLocked(
        {
          name: 'inner',
          resolve: ({ key }) => {
            if (key === 'gamma') return { endpoint: '10.1.0.4:5432', id: 'gamma', state: 'asleep' }
            const found = known.find((one) => one.key === key)
            if (found === undefined) throw new ResolveError('NOT_FOUND')
            return found.endpoint
          },
          wake: () => Promise.resolve('10.1.0.4:5432'),
        },
        { redis: server.url },
      ),
    known,
    unknown: 'nobody',
    sync: true,
    asleep: 'gamma',
  })
})
