import { ResolveError } from '@proxy/kernel'
import { describeNeeding, type MongoServer, mongoServer, type MongoUser } from '@proxy/test-servers'
import type { MongoClient } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errorOf, mongosh, openGateway, type TestGateway, withClient } from './setup.ts'

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

    test('an unknown tenant is an error document', async () => {
      const error = await errorOf(withClient(url(inTenant('nowhere'), 'nowhere', query), greeting('nowhere')))
      expect(error.message).toContain('no such tenant')
    })
  })

  describe('mongosh', () => {
    const show = 'print(EJSON.stringify(db.greeting.findOne({}, { _id: 0 })))'

    test.each(['', 'directConnection=true', 'loadBalanced=true'])(
      'gives each tenant its own data (%s)',
      async (query) => {
        const [a, b] = await Promise.all(
          ['alpha', 'beta'].map((tenant) => mongosh(url(inTenant(tenant), tenant, query), show)),
        )
        expect(a).toMatchObject({ code: 0, stdout: '{"message":"I am alpha"}\n' })
        expect(b).toMatchObject({ code: 0, stdout: '{"message":"I am beta"}\n' })
      },
    )

    test('prints why it is refused', async () => {
      const [wrong, nowhere, secret] = await Promise.all([
        mongosh(url({ ...inTenant('alpha'), password: 'wrong' }, 'alpha'), show),
        mongosh(url(inTenant('nowhere'), 'nowhere'), show),
        mongosh(url(inTenant('secret'), 'secret'), show),
      ])
      expect(wrong?.stderr).toContain('MongoServerError: Authentication failed.')
      expect(nowhere?.stderr).toContain('MongoServerError: no such tenant')
      expect(secret?.stderr).toContain('MongoServerError: access to the tenant is denied')
    })
  })
})
