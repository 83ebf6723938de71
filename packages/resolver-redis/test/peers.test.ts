import { describeNeeding, type RedisServer, redisServer } from '@proxy/test-servers'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { RedisPeers, type RedisPeersOptions } from '../src/index.ts'
import { plainClient } from './support.ts'

describeNeeding(['redis-server'], 'gateways of a cluster', () => {
  let server: RedisServer
  const open: RedisPeers[] = []

  const join = async (name: string, options: Partial<RedisPeersOptions> = {}): Promise<RedisPeers> => {
    const answer = (topic: string, body: unknown): unknown => ({ name, topic, body })
    const peers = new RedisPeers({ redis: server.url, name, answer, ...options })
    open.push(peers)
    await peers.open()
    await vi.waitFor(() => expect(peers.stats()).toMatchObject({ listening: true }))
    return peers
  }

  beforeAll(async () => {
    server = await redisServer()
  })
  afterAll(() => server.stop())
  afterEach(async () => {
    await Promise.all(open.splice(0).map((peers) => peers.close()))
    await using client = plainClient(server)
    await client.flushall()
  })

  it('each have a number of their own, the lowest that is free', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, (_, index) => join(`g${index}`)))
    expect(all.map(({ node }) => node).toSorted((a, b) => a! - b!)).toEqual(Array.from({ length: 20 }, (_, i) => i))
    await all.find(({ node }) => node === 7)!.close()
    expect((await join('late')).node).toBe(7)
  })

  it('answer what they are asked by number, and know who is there', async () => {
    const [one, two] = [await join('one', { info: () => ({ connections: 3 }) }), await join('two')]
    expect(await two.request(one.node!, 'greet', { a: [1] })).toEqual({ name: 'one', topic: 'greet', body: { a: [1] } })
    expect(two.stats()['gateways']).toMatchObject([
      { name: 'one', node: 0, info: { connections: 3 } },
      { name: 'two', node: 1 },
    ])
    await expect(one.request(200, 'greet', 1)).rejects.toThrow('there is no node 200')
  })

  it('are told why there is no answer', async () => {
    const one = await join('one', { answer: () => Promise.reject(new Error('not today')) })
    const two = await join('two')
    await expect(two.request(one.node!, 'greet', 1)).rejects.toThrow('not today')
  })

  it('hear news of every other, and not their own', async () => {
    const heard: string[] = []
    const answer = (name: string) => (topic: string, body: unknown) =>
      void heard.push(`${name} ${topic} ${String(body)}`)
    const [one] = [await join('one', { answer: answer('one') }), await join('two', { answer: answer('two') })]
    await join('three', { answer: answer('three') })
    await one.announce('purge', 'alpha')
    await vi.waitFor(() => expect(heard.toSorted()).toEqual(['three purge alpha', 'two purge alpha']))
  })

  it('bound what waits, and drop what is no message', async () => {
    const one = await join('one', { answer: () => new Promise(() => undefined) })
    const two = await join('two')
    const asked = Array.from({ length: 1_001 }, () => two.request(one.node!, 'never', 1))
    await expect(asked.at(-1)).rejects.toThrow('too many questions')
    await using client = plainClient(server)
    for (const text of ['null', '7', '{"id":"x"}', '{"from":"../../x","topic":"t"}', '[']) {
      for (const channel of ['proxy:all', 'proxy:node:0', 'proxy:node:1']) await client.publish(channel, text)
    }
    const outcomes = Promise.allSettled(asked)
    await two.close()
    expect(new Set((await outcomes).map(({ status }) => status))).toEqual(new Set(['rejected']))
  })

  it('come together again after Redis was away, also without its data', async () => {
    const nodes = new Map<string, number | undefined>()
    const onNode = (name: string) => (node: number | undefined) => void nodes.set(name, node)
    const one = await join('one', { onNode: onNode('one') })
    const two = await join('two', { onNode: onNode('two') })
    await server.kill()
    await vi.waitFor(() => expect(one.stats()['state']).toBe('stale'), { timeout: 10_000 })
    await expect(one.request(two.node!, 'greet', 1)).rejects.toThrow()
    await server.start()
    await vi.waitFor(async () => expect(await one.request(two.node!, 'greet', 1)).toMatchObject({ name: 'two' }), {
      timeout: 15_000,
      interval: 200,
    })
    expect([one.node, two.node]).toEqual([0, 1])
    expect([...nodes]).toEqual([
      ['one', 0],
      ['two', 1],
    ])
  })

  it('take over the number of one that died, and a number that was taken is given up', async () => {
    const one = await join('one')
    await using client = plainClient(server)
    const [, until] = (await client.hget('proxy:nodes', '0'))!.split(' ')
    // As if this one had been away for longer than its lease, and another one has come.
    await client.hset('proxy:nodes', '0', `other ${until}`)
    await vi.waitFor(() => expect(one.node).toBe(1), { timeout: 10_000 })
    await client.hset('proxy:nodes', '0', 'dead 1000')
    expect((await join('two')).node).toBe(0)
  })
})
