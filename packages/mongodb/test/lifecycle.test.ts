import type { Resolver } from '@proxy/kernel'
import { coldStart } from '@proxy/kernel/layers'
import { describeNeeding, findFreePort, mongoScript, mongoServer } from '@proxy/test-servers'
import { MongoClient } from 'mongodb'
import { describe, expect, test } from 'vitest'
import { rawMongo } from './raw.ts'
import { store } from './store.ts'
import { errorOf, type Numbered, openGateway, to, withClient } from './setup.ts'

const count = (client: MongoClient): Promise<number> => client.db('alpha').collection('t').countDocuments()
const tenantUser = { name: 'demo', password: 'demo', database: 'alpha' }

describeNeeding(['ferretdb'], 'a real backend', () => {
  test('that sleeps is started once, and everybody waits', async () => {
    const asleep = await mongoServer({ users: [tenantUser], start: false })
    let starts = 0
    let awake = false
    const resolver: Resolver = {
      name: 'sleepy',
      resolve: () => ({ endpoint: asleep.endpoint, state: awake ? 'ready' : 'asleep' }),
      async wake() {
        starts++
        await asleep.start()
        awake = true
        return asleep.endpoint
      },
    }
    await using gateway = await openGateway(resolver, { layers: [coldStart()] })
    const url = asleep.url('alpha', { port: gateway.port })
    const counts = await Promise.all(Array.from({ length: 10 }, () => withClient(url, count)))
    expect(counts).toEqual(counts.map(() => 0))
    expect(starts).toBe(1)
    await asleep.stop()
  })

  test('that is killed in a session is an error, and the client comes back to the new one', async () => {
    const server = await mongoServer({ users: [tenantUser] })
    await using gateway = await openGateway(to(server), { protocol: { readinessTimeoutMs: 200 } })
    await withClient(server.url('alpha', { port: gateway.port }), async (client) => {
      await client.db('alpha').collection('t').insertOne({ n: 1 })
      await server.halt('SIGKILL')
      const error = await errorOf(client.db('alpha').collection('t').insertOne({ n: 2 }))
      expect(error.message).not.toContain(String(server.port))
      await server.start()
      await client.db('alpha').collection('t').insertOne({ n: 3 })
      const found = await client
        .db('alpha')
        .collection('t')
        .find({}, { projection: { _id: 0 } })
        .toArray()
      expect(found).toEqual([{ n: 1 }, { n: 3 }])
    })
    await server.stop()
  })
})

describe('a backend that is down', () => {
  test('is a retryable error without its address', async () => {
    const port = await findFreePort()
    await using gateway = await openGateway(() => `127.0.0.1:${port}`, { protocol: { readinessTimeoutMs: 0 } })
    using client = rawMongo(gateway.port)
    await client.ask({ hello: 1, $db: 'admin' })
    const answer = await client.ask({ insert: 't', documents: [{}], lsid: {}, txnNumber: 1n, $db: 'alpha' })
    expect(answer).toMatchObject({ ok: 0 })
    expect([6, 7, 89, 91]).toContain(answer['code'])
    expect(answer['errorLabels']).toContain('RetryableWriteError')
    expect(JSON.stringify(answer)).not.toContain(String(port))
  })

  test('and comes back is found again by the same client', async () => {
    await using backend = await mongoScript()
    let up = false
    const port = await findFreePort()
    await using gateway = await openGateway(() => (up ? backend.endpoint : `127.0.0.1:${port}`), {
      protocol: { readinessTimeoutMs: 0 },
    })
    await withClient(`mongodb://127.0.0.1:${gateway.port}/alpha`, async (client) => {
      await errorOf(client.db('alpha').command({ ping: 1 }))
      up = true
      expect(await client.db('alpha').command({ ping: 1 })).toEqual({ ok: 1 })
    })
  })
})

describe('a retryable write', () => {
  const options = { protocol: { sessions: true, readinessTimeoutMs: 0 } }

  test('is done, once, by a backend that is there at the second time', async () => {
    await using data = await store()
    const port = await findFreePort()
    let dials = 0
    await using gateway = await openGateway(
      () => (++dials === 1 ? `127.0.0.1:${port}` : data.backend.endpoint),
      options,
    )
    await withClient(`mongodb://127.0.0.1:${gateway.port}/alpha`, (client) =>
      client.db('alpha').collection<Numbered>('t').insertOne({ _id: 1 }),
    )
    expect(data.documents).toEqual([{ _id: 1 }])
    expect(dials).toBe(2)
  })

  test('that a draining gateway has no answer for yet is done, once, through another', async () => {
    await using data = await store()
    await using one = await openGateway(to(data.backend), options)
    await using other = await openGateway(to(data.backend), options)
    let drained: Promise<void> | undefined
    data.after = ({ name }) => {
      if (name !== 'insert' || drained !== undefined) return 'answer'
      drained = (one.dials.length > 0 ? one : other).gateway.drain({ deadlineMs: 50 })
      return 'silence'
    }
    await withClient(`mongodb://127.0.0.1:${one.port},127.0.0.1:${other.port}/alpha`, (client) =>
      client.db('alpha').collection<Numbered>('t').insertOne({ _id: 1 }),
    )
    expect(data.documents).toEqual([{ _id: 1 }])
    await drained
  })

  test('to a backend that cannot be started gets the label too, and no address', async () => {
    const resolver: Resolver = {
      name: 'broken',
      resolve: () => ({ endpoint: '127.0.0.1:9', state: 'asleep' }),
      wake: () => Promise.reject(new Error('no room on host-7.internal')),
    }
    await using gateway = await openGateway(resolver, { layers: [coldStart()] })
    using client = rawMongo(gateway.port)
    await client.ask({ hello: 1, $db: 'admin' })
    const answer = await client.ask({ insert: 't', documents: [{}], lsid: {}, txnNumber: 1n, $db: 'alpha' })
    expect(answer).toMatchObject({ ok: 0, code: 6, errorLabels: ['RetryableWriteError'] })
    expect(JSON.stringify(answer)).not.toMatch(/internal|127\.0/)
    expect(await client.ask({ hello: 1, $db: 'admin' })).toMatchObject({ ok: 1 })
  })
})

describe('draining', () => {
  test('lets a command finish, and then ends the session', async () => {
    const answer = Promise.withResolvers<void>()
    await using backend = await mongoScript(({ name }) =>
      name === 'find' ? answer.promise.then(() => ({ late: true, ok: 1 })) : { ok: 1 },
    )
    await using gateway = await openGateway(to(backend))
    using client = rawMongo(gateway.port)
    await client.ask({ hello: 1, $db: 'admin' })
    await client.ask({ ping: 1, $db: 'alpha' })
    const asked = client.ask({ find: 't', $db: 'alpha' })
    // The backend had the last word, and owes another one.
    await client.ask({ ping: 1, $db: 'alpha' })
    // Silent for no longer than the other, it shows when a drain would cut them.
    using idle = rawMongo(gateway.port)
    await idle.ask({ hello: 1, $db: 'admin' })
    await idle.ask({ ping: 1, $db: 'alpha' })
    const drained = gateway.gateway.drain()
    await idle.closes()
    answer.resolve()
    expect(await asked).toMatchObject({ late: true })
    await client.closes()
    await drained
  })

  test('a command that comes meanwhile is done, and one without an answer at the deadline gets code 91', async () => {
    await using backend = await mongoScript(({ name }) => (name === 'find' ? undefined : { ok: 1 }))
    await using gateway = await openGateway(to(backend))
    using client = rawMongo(gateway.port)
    await client.ask({ hello: 1, $db: 'admin' })
    await client.ask({ ping: 1, $db: 'alpha' })
    const drained = gateway.gateway.drain({ deadlineMs: 200 })
    expect(await client.ask({ insert: 't', documents: [{}], $db: 'alpha' })).toEqual({ ok: 1 })
    const last = await client.ask({ find: 't', $db: 'alpha' })
    expect(last).toMatchObject({ ok: 0, code: 91, codeName: 'ShutdownInProgress' })
    await client.closes()
    await drained
  })

  test('monitors are let go', async () => {
    await using gateway = await openGateway(() => '127.0.0.1:9')
    using monitor = rawMongo(gateway.port)
    await monitor.ask({ hello: 1, $db: 'admin' })
    await gateway.gateway.drain()
    await monitor.closes()
    expect(monitor.messages).toHaveLength(1)
  })

  test('idle clients are let go', async () => {
    await using backend = await mongoScript()
    await using gateway = await openGateway(to(backend))
    const client = new MongoClient(`mongodb://127.0.0.1:${gateway.port}/alpha`, {
      heartbeatFrequencyMS: 500,
      serverSelectionTimeoutMS: 500,
    })
    await client.db('alpha').command({ ping: 1 })
    await gateway.gateway.drain()
    expect(gateway.gateway.stats().sessions).toBe(0)
    expect(await errorOf(client.db('alpha').command({ ping: 1 }))).toMatchObject({
      name: expect.stringMatching(/^Mongo/) as string,
    })
    await client.close()
  })
})
