import { describeNeeding, findFreePort, type MongoServer, mongoServer } from '@proxy/test-servers'
import { type ClientSession, type Document, type MongoClient, UUID } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rawMongo, type RawMongo } from './raw.ts'
import { standaloneHello, store } from './store.ts'
import { errorOf, openGateway, to, withClient, type Numbered } from './setup.ts'

const at = (port: number, query: string): string => `mongodb://127.0.0.1:${port}/alpha?${query}`
const insert = (client: MongoClient, n: number, session?: ClientSession) =>
  client
    .db('alpha')
    .collection<Numbered>('t')
    .insertOne({ _id: n }, session && { session })
const ids = (documents: readonly Document[]): number[] => documents.map(({ _id }) => _id as number)

async function both(client: MongoClient, fail = false): Promise<unknown> {
  return client.withSession((session) =>
    session.withTransaction(async () => {
      await insert(client, 1, session)
      await insert(client, 2, session)
      const seen = await client.db('alpha').collection('t').find({}, { session }).toArray()
      if (fail) throw new Error('changed my mind')
      return ids(seen)
    }),
  )
}

const modes = ['', 'directConnection=true', 'loadBalanced=true']

describe.each(modes)('with sessions, the driver with "%s"', (query) => {
  const options = { protocol: { sessions: true } }

  test('commits what belongs together, and nothing is seen before', async () => {
    await using data = await store()
    await using gateway = await openGateway(to(data.backend), options)
    data.before = ({ name }) => {
      if (name !== 'commitTransaction') expect(data.documents).toEqual([])
      return undefined
    }
    expect(await withClient(at(gateway.port, query), (client) => both(client))).toEqual([1, 2])
    expect(ids(data.documents)).toEqual([1, 2])
  })

  test('undoes what was given up', async () => {
    await using data = await store()
    await using gateway = await openGateway(to(data.backend), options)
    await withClient(at(gateway.port, query), async (client) => {
      expect(await errorOf(both(client, true))).toMatchObject({ message: 'changed my mind' })
    })
    expect(data.documents).toEqual([])
    expect(data.backend.asked).toContain('abortTransaction')
  })

  test('several at a time do not meet', async () => {
    await using data = await store()
    await using gateway = await openGateway(to(data.backend), options)
    await withClient(at(gateway.port, query), async (client) => {
      await Promise.all(
        Array.from({ length: 10 }, (_, n) =>
          client.withSession((session) =>
            session.withTransaction(async () => {
              await insert(client, 2 * n, session)
              await insert(client, 2 * n + 1, session)
              if (n % 3 === 0) await session.abortTransaction()
            }),
          ),
        ),
      )
    })
    const kept = Array.from({ length: 10 }, (_, n) => n).filter((n) => n % 3 !== 0)
    expect(new Set(ids(data.documents))).toEqual(new Set(kept.flatMap((n) => [2 * n, 2 * n + 1])))
  })

  test('an insert whose answer is lost is retried, and done once', async () => {
    await using data = await store()
    await using gateway = await openGateway(to(data.backend), options)
    let lost = 0
    data.after = ({ name }) => (name === 'insert' && lost++ === 0 ? 'break' : 'answer')
    await withClient(at(gateway.port, query), (client) => insert(client, 1))
    expect(ids(data.documents)).toEqual([1])
    expect(data.backend.asked.filter((name) => name === 'insert')).toHaveLength(2)
  })

  test('a transaction whose backend is lost is tried again from its beginning', async () => {
    await using data = await store()
    await using gateway = await openGateway(to(data.backend), options)
    let inserts = 0
    data.after = ({ name }) => (name === 'insert' && ++inserts === 2 ? 'break' : 'answer')
    expect(await withClient(at(gateway.port, query), (client) => both(client))).toEqual([1, 2])
    expect(ids(data.documents)).toEqual([1, 2])
  })
})

describe('a backend that goes away in a transaction', () => {
  const options = { protocol: { sessions: true, readinessTimeoutMs: 0 } }
  const lsid = { id: new UUID() }
  const open = { lsid, txnNumber: 1n, autocommit: false, $db: 'alpha' }

  async function begun(port: number): Promise<RawMongo> {
    const client = rawMongo(port)
    await client.ask({ hello: 1, $db: 'admin' })
    return client
  }

  test.each<[string, Document, string]>([
    ['a statement', { insert: 't', documents: [{}], ...open }, 'TransientTransactionError'],
    ['the commit', { commitTransaction: 1, ...open, $db: 'admin' }, 'RetryableWriteError'],
    ['the abort', { abortTransaction: 1, ...open, $db: 'admin' }, 'RetryableWriteError'],
  ])('%s may be tried again in the way that fits it', async (_, command, label) => {
    const port = await findFreePort()
    await using gateway = await openGateway(() => `127.0.0.1:${port}`, {
      ...options,
      protocol: { ...options.protocol, keys: [], defaultKey: 'alpha' },
    })
    using client = await begun(gateway.port)
    expect(await client.ask(command)).toMatchObject({ ok: 0, errorLabels: [label] })
  })

  test('while it commits, and the gateway ends at its deadline: the driver commits again, elsewhere', async () => {
    // On a connection of its own, a commit has no other name of its tenant.
    const named = { protocol: { ...options.protocol, keys: ['appName'] } } as const
    await using data = await store()
    await using one = await openGateway(to(data.backend), named)
    await using other = await openGateway(to(data.backend), named)
    let drained: Promise<void> | undefined
    data.after = ({ name }) => {
      if (name !== 'commitTransaction' || drained !== undefined) return 'answer'
      drained = (one.dials.length > 0 ? one : other).gateway.drain({ deadlineMs: 50 })
      return 'silence'
    }
    await withClient(`mongodb://127.0.0.1:${one.port},127.0.0.1:${other.port}/alpha?appName=alpha`, (client) =>
      both(client),
    )
    expect(ids(data.documents)).toEqual([1, 2])
    await drained
  })
})

describe.each(['', 'directConnection=true'])('without sessions, the driver with "%s"', (query) => {
  test('refuses a transaction, and nothing is written', async () => {
    await using data = await store()
    await using gateway = await openGateway(to(data.backend))
    const error = await withClient(at(gateway.port, query), (client) => errorOf(both(client)))
    expect(error.message).toMatch(/session|transaction/i)
    expect(data.documents).toEqual([])
  })

  test('an insert whose answer is lost is an error, and is not done twice', async () => {
    await using data = await store()
    await using gateway = await openGateway(to(data.backend))
    data.after = ({ name }) => (name === 'insert' ? 'break' : 'answer')
    const error = await withClient(at(gateway.port, query), (client) => errorOf(insert(client, 1)))
    expect(error.name).toMatch(/^Mongo/)
    expect(data.backend.asked).toEqual(['insert'])
  })
})

// Drivers behind a balancer take sessions for granted, whatever they are told.
describe('without sessions, the driver with "loadBalanced=true"', () => {
  test('uses those of a backend that has them', async () => {
    await using data = await store()
    await using gateway = await openGateway(to(data.backend))
    expect(await withClient(at(gateway.port, 'loadBalanced=true'), (client) => both(client))).toEqual([1, 2])
    expect(ids(data.documents)).toEqual([1, 2])
  })

  test('is refused where the backend has none, and nothing is written', async () => {
    await using data = await store(standaloneHello)
    await using gateway = await openGateway(to(data.backend))
    await withClient(at(gateway.port, 'loadBalanced=true'), async (client) => {
      expect((await errorOf(both(client))).message).toContain('retryWrites=false')
      expect((await errorOf(insert(client, 3))).message).toContain('retryWrites=false')
    })
    expect(data.backend.asked.filter((name) => name !== 'endSessions')).toEqual([])
    await withClient(at(gateway.port, 'loadBalanced=true&retryWrites=false'), (client) => insert(client, 4))
    expect(ids(data.documents)).toEqual([4])
  })
})

describeNeeding(['ferretdb'], 'a backend without transactions', () => {
  let server: MongoServer

  beforeAll(async () => {
    server = await mongoServer({ users: [] })
  })

  afterAll(() => server.stop())

  test.each([true, false])(
    'refuses them, and retryable writes, and nothing is written (sessions: %s)',
    async (sessions) => {
      await using gateway = await openGateway(to(server), { protocol: { sessions } })
      await withClient(at(gateway.port, ''), async (client) => {
        await errorOf(both(client))
        // Without sessions the driver does not number its writes, and they work.
        if (sessions) expect((await errorOf(insert(client, 3))).message).toContain('retryWrites=false')
      })
      await withClient(server.url('alpha'), async (client) => {
        expect(await client.db('alpha').collection('t').countDocuments()).toBe(0)
      })
    },
  )
})
