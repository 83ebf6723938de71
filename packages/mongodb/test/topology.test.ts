import { mongoFlags, mongoScript, replicaSetHello, type ScriptedMongo } from '@proxy/test-servers'
import { until } from '@proxy/testkit'
import type { Document } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rawMongo } from './raw.ts'
import { openGateway, type TestGateway, to, withClient } from './setup.ts'

let member: ScriptedMongo
let gateway: TestGateway

beforeAll(async () => {
  member = await mongoScript(({ name, document }) => {
    if (name === 'count') return exhaust(document['count'] as number)
    if (name === 'find') return { cursor: { id: 0n, ns: 'alpha.t', firstBatch: [{ _id: 1 }] }, ok: 1 }
    return { ok: 1 }
  })
  gateway = await openGateway(to(member))
})

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await member.close()
})

const exhaust = (count: number): Document[] => Array.from({ length: count }, (_, n) => ({ n, ok: 1 }))
const inside = /internal|rs-|hosts|setName|topologyVersion|electionId|compression/

describe('what a client learns of the backend', () => {
  test.each([['hello'], ['isMaster'], ['ismaster']])(
    '%s says nothing of a replica set, before and after the route',
    async (name) => {
      using client = rawMongo(gateway.port)
      const before = await client.ask({ [name]: 1, $db: 'admin' })
      await client.ask({ ping: 1, $db: 'alpha' })
      const after = await client.ask({ [name]: 1, $db: 'admin' })
      for (const answer of [before, after]) {
        expect(answer).toMatchObject({ msg: 'isdbgrid', minWireVersion: 0, maxWireVersion: 21, ok: 1 })
        expect(answer['isWritablePrimary'] ?? answer['ismaster']).toBe(true)
        expect(answer).not.toHaveProperty('speculativeAuthenticate')
      }
      expect(client.bytes.toString('latin1')).not.toMatch(inside)
    },
  )

  test('the legacy OP_QUERY too', async () => {
    using client = rawMongo(gateway.port)
    const { opCode, document } = await client.askOld({
      isMaster: 1,
      helloOk: true,
      client: { driver: { name: 'old' } },
    })
    expect({ opCode, document }).toMatchObject({ opCode: 1, document: { ismaster: true, helloOk: true, ok: 1 } })
    await client.ask({ ping: 1, $db: 'alpha' })
    expect((await client.askOld({ isMaster: 1 })).document).toMatchObject({ ismaster: true, msg: 'isdbgrid' })
    expect(client.bytes.toString('latin1')).not.toMatch(inside)
  })

  test('a balanced client gets a serviceId of its own for each connection to another backend', async () => {
    using client = rawMongo(gateway.port)
    const answer = await client.ask({ hello: 1, loadBalanced: true, $db: 'admin' })
    expect(answer).toMatchObject({ serviceId: expect.anything() as unknown, ok: 1 })
    expect(client.bytes.toString('latin1')).not.toMatch(inside)
  })

  test.each(['', 'directConnection=true', 'loadBalanced=true'])('the driver sees one mongos (%s)', async (query) => {
    const seen: unknown[] = []
    await withClient(
      `mongodb://127.0.0.1:${gateway.port}/?${query}`,
      async (client) => {
        client.on('topologyDescriptionChanged', ({ newDescription }) => seen.push(newDescription))
        client.on('commandSucceeded', ({ reply }) => seen.push(reply))
        expect(await client.db('alpha').collection('t').find().toArray()).toEqual([{ _id: 1 }])
      },
      { monitorCommands: true },
    )
    expect(seen.length).toBeGreaterThan(1)
    const shown = JSON.stringify(seen, (_, value: unknown) => (value instanceof Map ? [...value] : value))
    expect(shown).not.toMatch(/internal/)
    expect(JSON.stringify(replicaSetHello)).toMatch(/internal/)
  })
})

test.each(['replSetGetStatus', 'listShards', 'hostInfo'])(
  '%s is refused, and the backend is not asked',
  async (name) => {
    using client = rawMongo(gateway.port)
    const command = { [name]: 1, $db: 'admin' }
    expect(await client.ask(command)).toMatchObject({ ok: 0, code: 115 })
    await client.ask({ ping: 1, $db: 'alpha' })
    const from = member.commands.length
    expect(await client.ask(command)).toMatchObject({ ok: 0, code: 115 })
    expect(member.commands.length).toBe(from)
  },
)

test('of the members of a replica set the one that takes writes is used', async () => {
  const says = { name: 'secondary', isWritablePrimary: false, ismaster: false, secondary: true }
  await using secondary = await mongoScript(({ name }) => (isHello(name) ? { ...replicaSetHello, ...says } : says))
  await using primary = await mongoScript(() => ({ name: 'primary', ok: 1 }))
  await using other = await openGateway(() => ({ endpoint: [secondary.endpoint, primary.endpoint] }))
  using client = rawMongo(other.port)
  expect(await client.ask({ ping: 1, $db: 'alpha' })).toMatchObject({ name: 'primary' })
  expect(secondary.asked).toEqual([])
})

const isHello = (name: string): boolean => /^(hello|ismaster)$/i.test(name)

test.each(['zlib', 'snappy,zstd,zlib'])(
  'compression is not used when a client asks for it (%s)',
  async (compressors) => {
    const from = member.commands.length
    // The driver looks for the modules of these only when they are agreed on.
    await withClient(`mongodb://127.0.0.1:${gateway.port}/?compressors=${compressors}`, async (client) => {
      expect(await client.db('alpha').collection('t').find().toArray()).toEqual([{ _id: 1 }])
    })
    const commands = member.commands.slice(from)
    expect(new Set(commands.map(({ opCode }) => opCode))).toEqual(new Set([2013]))
    expect(commands.flatMap(({ document }) => (document['compression'] as string[] | undefined) ?? [])).toEqual([])
  },
)

describe('moreToCome', () => {
  test('an unacknowledged write gets no answer, and the next command gets its own', async () => {
    using client = rawMongo(gateway.port)
    await client.ask({ hello: 1, $db: 'admin' })
    const silent = client.send(
      { insert: 't', documents: [{ _id: 1 }], writeConcern: { w: 0 }, $db: 'alpha' },
      { flags: mongoFlags.moreToCome },
    )
    await client.ask({ ping: 1, $db: 'alpha' })
    expect(client.messages.filter(({ responseTo }) => responseTo === silent)).toEqual([])
    expect(member.asked.slice(-2)).toEqual(['insert', 'ping'])
  })

  test('to the database of another tenant is dropped without a word', async () => {
    using client = rawMongo(gateway.port)
    await client.ask({ hello: 1, $db: 'admin' })
    await client.ask({ ping: 1, $db: 'alpha' })
    const from = member.commands.length
    client.send({ insert: 't', documents: [{}], writeConcern: { w: 0 }, $db: 'beta' }, { flags: mongoFlags.moreToCome })
    await client.ask({ ping: 1, $db: 'alpha' })
    expect(client.messages.map(({ document }) => document['ok'] as number)).toEqual([1, 1, 1])
    expect(member.commands.slice(from).map(({ name }) => name)).toEqual(['ping'])
  })

  test('the driver writes with w: 0', async () => {
    await withClient(`mongodb://127.0.0.1:${gateway.port}/?maxPoolSize=1`, async (client) => {
      const t = client.db('alpha').collection('t', { writeConcern: { w: 0 } })
      const from = member.commands.length
      for (let n = 0; n < 20; n++) await t.insertOne({ n })
      expect(await t.find().toArray()).toEqual([{ _id: 1 }])
      expect(member.commands.slice(from).filter(({ name }) => name === 'insert').length).toBe(20)
    })
  })

  test('an exhaust stream comes whole, and so does what follows', async () => {
    using client = rawMongo(gateway.port)
    await client.ask({ hello: 1, $db: 'admin' })
    client.send({ count: 50, $db: 'alpha' }, { flags: mongoFlags.exhaustAllowed })
    await until(() => client.messages.length === 51, 'the stream')
    expect(client.messages.slice(1).map(({ document }) => document['n'] as number)).toEqual(
      exhaust(50).map(({ n }) => n as number),
    )
    expect(await client.ask({ ping: 1, $db: 'alpha' })).toEqual({ ok: 1 })
  })
})

test('a checksum is passed over', async () => {
  using client = rawMongo(gateway.port)
  await client.ask({ hello: 1, $db: 'admin' }, { flags: mongoFlags.checksumPresent })
  expect(await client.ask({ ping: 1, $db: 'alpha' }, { flags: mongoFlags.checksumPresent })).toEqual({ ok: 1 })
  expect(await client.ask({ ping: 1, $db: 'beta' }, { flags: mongoFlags.checksumPresent })).toMatchObject({ code: 13 })
})
