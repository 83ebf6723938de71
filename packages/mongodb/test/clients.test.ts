import { ResolveError } from '@proxy/kernel'
import { describeNeeding, type MongoServer, mongoServer, type MongoUser } from '@proxy/test-servers'
import type { MongoClient } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errorOf, mongosh, type Numbered, openGateway, type TestGateway, withClient } from './setup.ts'

let alpha: MongoServer
let beta: MongoServer
let gateway: TestGateway

/** Kept in the tenant's database. */
const inTenant = (tenant: string): MongoUser => ({ name: 'demo', password: 'demo', database: tenant })
/** Kept in `admin`; the name says the tenant. */
const inAdmin = (tenant: string): MongoUser => ({ name: `app.${tenant}`, password: 'secret' })

const tenantServer = async (tenant: string): Promise<MongoServer> => {
  const server = await mongoServer({ users: [inTenant(tenant), inAdmin(tenant)] })
  const greet = (client: MongoClient) =>
    client
      .db(tenant)
      .collection('greeting')
      .insertOne({ message: `I am ${tenant}` })
  await withClient(server.url(tenant), greet)
  return server
}

const url = (user: MongoUser, database: string, query?: string): string =>
  alpha.url(database, { user, port: gateway.port, ...(query !== undefined && { query }) })

const greeting = (database: string) => async (client: MongoClient) =>
  (await client.db(database).collection('greeting').findOne())?.['message'] as string

describeNeeding(['ferretdb'], 'clients', () => {
  beforeAll(async () => {
    ;[alpha, beta] = (await Promise.all(['alpha', 'beta'].map(tenantServer))) as [MongoServer, MongoServer]
    gateway = await openGateway(({ key }) => {
      if (key === 'alpha') return alpha.endpoint
      if (key === 'beta') return beta.endpoint
      if (key === 'secret') throw new ResolveError('FORBIDDEN')
      throw new ResolveError('NOT_FOUND')
    })
  })

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await Promise.all([alpha.stop(), beta.stop()])
  })

  describe.each([
    ['default options', ''],
    ['directConnection=true', 'directConnection=true'],
    // Behind a balancer drivers take retryable writes for granted, and FerretDB has none.
    ['loadBalanced=true', 'loadBalanced=true&retryWrites=false'],
  ])('the driver with %s', (_, query) => {
    test.each(['alpha', 'beta'])('is routed by its authentication database, %s', async (tenant) => {
      expect(await withClient(url(inTenant(tenant), tenant, query), greeting(tenant))).toBe(`I am ${tenant}`)
    })

    test.each(['alpha', 'beta'])('is routed by its user, %s', async (tenant) => {
      expect(await withClient(url(inAdmin(tenant), tenant, query), greeting(tenant))).toBe(`I am ${tenant}`)
    })

    test('writes and reads', async () => {
      const collection = `t${query.length}`
      await withClient(url(inTenant('alpha'), 'alpha', query), async (client) => {
        const t = client.db('alpha').collection<{ _id: number; n: number }>(collection)
        await t.insertMany([1, 2, 3].map((n) => ({ _id: n, n })))
        await t.updateOne({ _id: 2 }, { $inc: { n: 40 } })
        await t.findOneAndDelete({ _id: 3 })
        expect(await t.find().sort({ _id: 1 }).toArray()).toEqual([
          { _id: 1, n: 1 },
          { _id: 2, n: 42 },
        ])
      })
    })

    test.each([
      ['a wrong password', { name: 'demo', password: 'wrong', database: 'alpha' }],
      ['an unknown user', { name: 'nobody', password: 'demo', database: 'alpha' }],
    ])('%s is refused by the backend, in its own words', async (_, user) => {
      const [direct, relayed] = await Promise.all(
        [alpha.port, gateway.port].map((port) =>
          errorOf(
            withClient(alpha.url('alpha', { user, port, ...(port === gateway.port && { query }) }), greeting('alpha')),
          ),
        ),
      )
      expect(relayed).toMatchObject({ code: 18, codeName: 'AuthenticationFailed', message: 'Authentication failed.' })
      expect(relayed?.['errorResponse']).toEqual(direct?.['errorResponse'])
    })

    test.each([
      ['an unknown tenant', 'nowhere', 26, 'NamespaceNotFound', 'no such tenant'],
      ['a forbidden tenant', 'secret', 13, 'Unauthorized', 'access to the tenant is denied'],
    ])('%s is an error document', async (_, tenant, code, codeName, message) => {
      const error = await errorOf(withClient(url(inTenant(tenant), tenant, query), greeting(tenant)))
      expect(error).toMatchObject({ name: 'MongoServerError', code, codeName })
      expect(error.message).toContain(message)
    })
  })

  describe('logins', () => {
    const odd = { name: 'first.läst', password: 'p@ss:wörd/?#', database: 'alpha' }
    const old = { name: 'old', password: 'secret', database: 'alpha' }

    beforeAll(() =>
      withClient(alpha.url('alpha'), async (client) => {
        const create = (user: MongoUser, mechanism: string) =>
          client.db('alpha').command({ createUser: user.name, pwd: user.password, roles: [], mechanisms: [mechanism] })
        await create(odd, 'SCRAM-SHA-256')
        await create(old, 'SCRAM-SHA-1')
      }),
    )

    test.each([
      ['a user that has SCRAM-SHA-1 only', old, ''],
      ['SCRAM-SHA-1 when the client asks for it', old, 'authMechanism=SCRAM-SHA-1'],
      ['SCRAM-SHA-256 when the client asks for it', inTenant('alpha'), 'authMechanism=SCRAM-SHA-256'],
      ['names and passwords of any letters', odd, ''],
    ])('%s', async (_, user, query) => {
      expect(await withClient(url(user, 'alpha', query), greeting('alpha'))).toBe('I am alpha')
    })

    test('a mechanism that the user has not got is refused as directly', async () => {
      const [direct, relayed] = await Promise.all(
        [alpha.port, gateway.port].map((port) =>
          errorOf(
            withClient(
              alpha.url('alpha', { user: old, port, query: 'authMechanism=SCRAM-SHA-256' }),
              greeting('alpha'),
            ),
          ),
        ),
      )
      expect(relayed?.['errorResponse']).toEqual(direct?.['errorResponse'])
    })
  })

  test('many clients of two tenants at a time get each their own', async () => {
    const work = (tenant: string, n: number) => async (client: MongoClient) => {
      const t = client.db(tenant).collection<Numbered>(`crowd${n}`)
      await Promise.all(Array.from({ length: 20 }, (_, _id) => t.insertOne({ _id, tenant })))
      return t.countDocuments({ tenant })
    }
    const clients = Array.from({ length: 16 }, (_, n) => (n % 2 === 0 ? 'alpha' : 'beta'))
    const counts = await Promise.all(
      clients.map((tenant, n) => withClient(url(inTenant(tenant), tenant, 'maxPoolSize=4'), work(tenant, n))),
    )
    expect(counts).toEqual(clients.map(() => 20))
  })

  describe('mongosh', () => {
    // It takes a second of processor time to start.
    const patient = { timeout: 60_000 }
    const show = 'print(EJSON.stringify(db.greeting.findOne({}, { _id: 0 })))'

    test('gives each tenant its own data', patient, async () => {
      const shells = [
        ['alpha', ''],
        ['beta', ''],
        ['alpha', 'directConnection=true'],
        ['beta', 'loadBalanced=true'],
      ] as const
      const outputs = await Promise.all(
        shells.map(([tenant, query]) => mongosh(url(inTenant(tenant), tenant, query), show)),
      )
      for (const [index, [tenant]] of shells.entries()) {
        expect(outputs[index]).toMatchObject({ code: 0, stdout: `{"message":"I am ${tenant}"}\n` })
      }
    })

    test('works, and prints why it is refused', patient, async () => {
      const script = `
        for (let n = 0; n < 50; n++) db.shell.insertOne({ n })
        let seen = 0
        db.shell.find().batchSize(20).forEach(() => seen++)
        const [{ sum }] = db.shell.aggregate([{ $group: { _id: null, sum: { $sum: '$n' } } }]).toArray()
        db.shell.drop()
        print(EJSON.stringify({ seen, sum, left: db.shell.countDocuments(), databases: db.adminCommand('listDatabases').ok }))`
      const [works, wrong, nowhere] = await Promise.all([
        mongosh(url(inTenant('alpha'), 'alpha'), script),
        mongosh(url({ ...inTenant('alpha'), password: 'wrong' }, 'alpha'), show),
        mongosh(url(inTenant('nowhere'), 'nowhere'), show),
      ])
      expect(works).toMatchObject({ code: 0, stdout: '{"seen":50,"sum":1225,"left":0,"databases":1}\n' })
      expect(wrong?.stderr).toContain('MongoServerError: Authentication failed.')
      expect(nowhere?.stderr).toContain('MongoServerError: no such tenant')
    })
  })
})
