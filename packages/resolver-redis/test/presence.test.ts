import { describeNeeding, type RedisServer, redisServer } from '@proxy/test-servers'
import type { Metadata } from '@proxy/kernel'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { redisResolver } from '../src/index.ts'
import { plainClient } from './support.ts'

describeNeeding(['redis-server'], 'who is connected', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await redisServer()
  })
  afterAll(() => server.stop())

  const of = (key: string): Metadata => ({ redis: { key, lock: key } })

  it('is told in full, whatever comes while it is told anew, and ends with the gateway', async () => {
    const resolver = redisResolver({ redis: server.url })
    await using client = plainClient(server)
    const busy = async (): Promise<string[]> => {
      const [key] = await client.keys('proxy:busy:*')
      return key === undefined ? [] : (await client.smembers(key)).filter((name) => name !== '').toSorted()
    }
    const names: string[] = []
    for (let i = 0; i < 40; i++) {
      // The subscription begins again, upon which everything is told anew.
      if (i % 4 === 0) await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      for (let j = 0; j < 50; j++) {
        names.push(`t${i}-${j}`)
        resolver.onConnect!(`t${i}-${j}`, of(`t${i}-${j}`))
      }
      await client.ping()
    }
    await vi.waitFor(async () => expect(await busy()).toEqual(names.toSorted()), { timeout: 10_000 })
    // A second connection, of which one ends, is still one.
    resolver.onConnect!('t0-0', of('t0-0'))
    for (const name of names) resolver.onDisconnect!(name, of(name))
    await vi.waitFor(async () => expect(await busy()).toEqual(['t0-0']))
    // Redis has lost it all.
    await client.flushall()
    await vi.waitFor(async () => expect(await busy()).toEqual(['t0-0']), { timeout: 10_000 })
    await resolver.close!()
    expect(await client.keys('proxy:busy:*')).toEqual([])
  })
})
