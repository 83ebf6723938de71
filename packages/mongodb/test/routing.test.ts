import { describeNeeding, mongoScript, type ScriptedMongo, type MongoServer, mongoServer } from '@proxy/test-servers'
import { ResolveError } from '@proxy/kernel'
import type { Document } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { MongodbOptions } from '../src/index.ts'
import { rawMongo } from './raw.ts'
import { errorOf, openGateway, type TestGateway, withClient } from './setup.ts'

/** Says its name. */
const named = (name: string): Promise<ScriptedMongo> => mongoScript(() => ({ name, ok: 1 }))

let backends: Record<string, ScriptedMongo>

beforeAll(async () => {
  backends = { alpha: await named('alpha'), beta: await named('beta') }
})

afterAll(() => Promise.all(Object.values(backends).map((backend) => backend.close())))

const open = (protocol?: MongodbOptions): Promise<TestGateway> =>
  openGateway(
    ({ key }) => {
      const backend = backends[key]
      if (backend === undefined) throw new ResolveError('NOT_FOUND')
      return backend.endpoint
    },
    { ...(protocol && { protocol }) },
  )

const hello = (more: Document = {}): Document => ({ hello: 1, $db: 'admin', ...more })
const metadata = (application: string): Document => ({ client: { application: { name: application } } })
const scram = (user: string): Buffer => Buffer.from(`n,,n=${user},r=fyko+d2lbbFgONRv9qkxdawL`)
const saslStart = (user: string, database: string): Document => ({
  saslStart: 1,
  mechanism: 'SCRAM-SHA-256',
  payload: scram(user),
  options: { skipEmptyExchange: true },
  $db: database,
})

interface Row {
  readonly by: string
  readonly options: MongodbOptions
  readonly messages: readonly Document[]
}

const rows: readonly Row[] = [
  {
    by: 'saslSupportedMechs',
    options: {},
    messages: [hello({ saslSupportedMechs: 'beta.demo' }), { ping: 1, $db: 'admin' }],
  },
  {
    by: 'speculativeAuthenticate',
    options: {},
    messages: [
      hello({ speculativeAuthenticate: { ...saslStart('demo', 'beta'), db: 'beta' } }),
      { ping: 1, $db: 'admin' },
    ],
  },
  { by: 'saslStart', options: {}, messages: [hello(), saslStart('demo', 'beta')] },
  { by: 'the first $db', options: {}, messages: [hello(), { find: 'a', $db: 'beta' }] },
  { by: 'the user', options: {}, messages: [hello(), saslStart('demo.beta', 'admin')] },
  {
    by: 'the prefix of the user',
    options: { userPart: 'prefix', userSeparator: '/' },
    messages: [hello(), saslStart('beta/demo', 'admin')],
  },
  {
    by: 'the application name',
    options: { keys: ['appName'] },
    messages: [hello(metadata('beta')), { find: 'a', $db: 'shop' }],
  },
  { by: 'default', options: { defaultKey: 'beta' }, messages: [hello(), { listDatabases: 1, $db: 'admin' }] },
  {
    by: 'the tenant of a database',
    options: { databaseKey: (database) => database.split('_')[0] },
    messages: [hello(), { find: 'a', $db: 'beta_shop' }],
  },
]

test.each(rows)('by $by', async ({ options, messages }) => {
  await using gateway = await open(options)
  using client = rawMongo(gateway.port)
  let answer: Document = {}
  for (const message of messages) answer = await client.ask(message)
  expect(answer).toMatchObject({ name: 'beta', ok: 1 })
  expect(gateway.dials).toEqual(['beta'])
})

describe('neither admin, config, local nor $external is a tenant', () => {
  test.each(['admin', 'config', 'local', '$external'])('%s', async (database) => {
    await using gateway = await open()
    using client = rawMongo(gateway.port)
    await client.ask(hello())
    expect(await client.ask({ find: 'a', $db: database })).toMatchObject({ ok: 0 })
    expect(gateway.dials).toEqual([])
  })
})

describe('what is asked of every server is answered without one', () => {
  test.each([{ ping: 1 }, { buildInfo: 1 }, { endSessions: [] }, { connectionStatus: 1 }, { whatsmyuri: 1 }])(
    '%j',
    async (command) => {
      await using gateway = await open()
      using client = rawMongo(gateway.port)
      expect(await client.ask({ ...command, $db: 'admin' })).toMatchObject({ ok: 1 })
      expect(gateway.dials).toEqual([])
    },
  )
})

describe('a connection that has its tenant', () => {
  test('gets code 13 for the database of another', async () => {
    await using gateway = await open()
    using client = rawMongo(gateway.port)
    await client.ask(hello())
    expect(await client.ask({ find: 'a', $db: 'alpha' })).toMatchObject({ name: 'alpha' })
    const asked = backends['alpha']!.commands.length
    expect(await client.ask({ find: 'a', $db: 'beta' })).toMatchObject({ ok: 0, code: 13, codeName: 'Unauthorized' })
    expect(
      await client.ask({ insert: 'a', $db: 'beta' }, { sequences: { documents: [{}] }, sequencesFirst: true }),
    ).toMatchObject({ ok: 0, code: 13 })
    expect(backends['alpha']!.commands.length).toBe(asked)
    expect(await client.ask({ find: 'a', $db: 'alpha' })).toMatchObject({ name: 'alpha' })
    expect(gateway.dials).toEqual(['alpha'])
  })

  test('keeps it for admin commands, killCursors, endSessions and ping', async () => {
    await using gateway = await open()
    using client = rawMongo(gateway.port)
    await client.ask(hello())
    await client.ask({ find: 'a', $db: 'beta' })
    for (const command of [
      { killCursors: 'a', cursors: [], $db: 'beta' },
      { endSessions: [], $db: 'admin' },
      { ping: 1, $db: 'admin' },
    ]) {
      expect(await client.ask(command)).toMatchObject({ name: 'beta' })
    }
  })

  test('may use any database when something else names the tenant', async () => {
    await using gateway = await open({ keys: ['appName', 'database'] })
    using client = rawMongo(gateway.port)
    await client.ask(hello(metadata('beta')))
    for (const $db of ['alpha', 'shop', 'beta'])
      expect(await client.ask({ find: 'a', $db })).toMatchObject({ name: 'beta' })
  })
})

test('the metadata of the client is said again to the backend, once', async () => {
  await using gateway = await open()
  using client = rawMongo(gateway.port)
  const client_ = { application: { name: 'shop' }, driver: { name: 'raw', version: '1' }, os: { type: 'none' } }
  const from = backends['beta']!.commands.length
  await client.ask(hello({ client: client_ }))
  await client.ask({ find: 'a', $db: 'beta' })
  const hellos = backends['beta']!.commands.slice(from).filter(({ name }) => /^(hello|ismaster)$/i.test(name))
  expect(hellos.map(({ document }) => document['client'] as unknown)).toEqual([client_])
})

describeNeeding(['ferretdb'], 'the driver', () => {
  let servers: Record<string, MongoServer>

  beforeAll(async () => {
    const users = [{ name: 'app', password: 'secret' }]
    servers = { alpha: await mongoServer({ users: [] }), beta: await mongoServer({ users }) }
  })

  afterAll(() => Promise.all(Object.values(servers).map((server) => server.stop())))

  test('without a login is routed by the first database, and kept from the others', async () => {
    await using gateway = await openGateway(({ key }) => servers[key]!.endpoint)
    await withClient(`mongodb://127.0.0.1:${gateway.port}/?maxPoolSize=1`, async (client) => {
      await client.db('alpha').collection('t').insertOne({ n: 1 })
      const other = client.db('beta').collection('t')
      expect(await errorOf(other.insertOne({ n: 1 }))).toMatchObject({ code: 13 })
      expect(await client.db('alpha').collection('t').countDocuments()).toBe(1)
    })
    expect(gateway.dials).toEqual(['alpha'])
  })

  test('changes the database on one client', async () => {
    const protocol = { keys: ['appName'] } as const
    await using gateway = await openGateway(({ key }) => servers[key]!.endpoint, { protocol })
    const url = servers['beta']!.url('shop', { port: gateway.port, query: 'appName=beta' })
    await withClient(url, async (client) => {
      for (const name of ['shop', 'crm', 'alpha']) await client.db(name).collection('t').insertOne({ name })
      for (const name of ['shop', 'crm', 'alpha']) {
        expect(
          await client
            .db(name)
            .collection('t')
            .findOne({}, { projection: { _id: 0 } }),
        ).toEqual({ name })
      }
    })
    await withClient(servers['alpha']!.url('shop'), async (client) => {
      expect(await client.db('shop').collection('t').countDocuments()).toBe(0)
    })
  })
})
