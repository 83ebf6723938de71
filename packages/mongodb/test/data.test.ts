import { createHash } from 'node:crypto'
import { describeNeeding, type MongoServer, mongoServer } from '@proxy/test-servers'
import { type CommandSucceededEvent, MongoClient } from 'mongodb'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openGateway, type TestGateway, to, type Numbered } from './setup.ts'

let server: MongoServer
let gateway: TestGateway
let direct: MongoClient
let client: MongoClient

const count = 10_000
const documents = (): Numbered[] => Array.from({ length: count }, (_, i) => ({ _id: i, square: i * i, text: `n${i}` }))

async function checksum(through: MongoClient, collection: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const document of through.db('alpha').collection(collection).find().sort({ _id: 1 })) {
    hash.update(JSON.stringify(document))
  }
  return hash.digest('hex')
}

describeNeeding(['ferretdb'], 'data', () => {
  beforeAll(async () => {
    server = await mongoServer({ users: [{ name: 'demo', password: 'demo', database: 'alpha' }] })
    gateway = await openGateway(to(server))
    direct = new MongoClient(server.url('alpha'))
    client = new MongoClient(server.url('alpha', { port: gateway.port }), { monitorCommands: true })
  })

  beforeEach(() => direct.db('alpha').dropDatabase())

  afterAll(async () => {
    await Promise.all([direct.close(), client.close()])
    await gateway[Symbol.asyncDispose]()
    await server.stop()
  })

  test('a bulk of 10,000 inserts through the gateway is what it is directly', { timeout: 60_000 }, async () => {
    for (const [through, collection] of [
      [client, 'relayed'],
      [direct, 'direct'],
    ] as const) {
      const { insertedCount } = await through.db('alpha').collection<Numbered>(collection).insertMany(documents())
      expect(insertedCount).toBe(count)
    }
    const sums = await Promise.all([
      checksum(direct, 'direct'),
      checksum(direct, 'relayed'),
      checksum(client, 'relayed'),
    ])
    expect(new Set(sums).size).toBe(1)
    expect(await client.db('alpha').collection('relayed').countDocuments()).toBe(count)
  })

  // FerretDB 1 stops for ever at a few dozen updates in one command.
  test.each([true, false])('a mixed bulk, ordered: %s', async (ordered) => {
    const operations = documents()
      .slice(0, 20)
      .flatMap((document) => [
        { insertOne: { document } },
        { updateOne: { filter: { _id: document._id }, update: { $set: { seen: true } } } },
        ...(document._id % 2 === 0 ? [{ deleteOne: { filter: { _id: document._id } } }] : []),
      ])
    const result = await client.db('alpha').collection<Numbered>('mixed').bulkWrite(operations, { ordered })
    expect(result).toMatchObject({ insertedCount: 20, modifiedCount: 20, deletedCount: 10 })
    expect(await direct.db('alpha').collection('mixed').countDocuments({ seen: true })).toBe(10)
  })

  test('errors of a bulk are those of the backend', async () => {
    const twice = client
      .db('alpha')
      .collection<Numbered>('twice')
      .insertMany([{ _id: 1 }, { _id: 2 }, { _id: 1 }])
    await expect(twice).rejects.toMatchObject({ code: 11000, result: { insertedCount: 2 } })
  })

  describe('cursors', () => {
    beforeEach(() => direct.db('alpha').collection<Numbered>('many').insertMany(documents().slice(0, 1_000)))

    test('over many batches', async () => {
      const cursor = client.db('alpha').collection('many').find({}, { batchSize: 7 }).sort({ _id: 1 })
      expect(await cursor.toArray()).toEqual(documents().slice(0, 1_000))
    })

    test('several at a time on one client', async () => {
      const read = () => client.db('alpha').collection('many').find({}, { batchSize: 50 }).toArray()
      const all = await Promise.all(Array.from({ length: 8 }, read))
      expect(all.map(({ length }) => length)).toEqual(all.map(() => 1_000))
    })

    test('that are closed early are killed at the backend', async () => {
      const killed = Promise.withResolvers<CommandSucceededEvent>()
      const look = (event: CommandSucceededEvent) => event.commandName === 'killCursors' && killed.resolve(event)
      client.on('commandSucceeded', look)
      const cursor = client.db('alpha').collection('many').find({}, { batchSize: 10 })
      await cursor.next()
      const { id } = cursor
      await cursor.close()
      expect((await killed.promise).reply).toMatchObject({
        cursorsKilled: [id?.toNumber()],
        cursorsNotFound: [],
        ok: 1,
      })
      client.off('commandSucceeded', look)
    })
  })

  test('documents of 16 MB, both ways', { timeout: 60_000 }, async () => {
    const bytes = Buffer.alloc(16 * 1024 * 1024 - 64)
    for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE((at * 2_654_435_761) >>> 0, at)
    const big = client.db('alpha').collection<Numbered>('big')
    await big.insertOne({ _id: 1, bytes })
    const back = (await big.findOne({ _id: 1 }))?.['bytes'] as { buffer: Uint8Array }
    expect(createHash('sha256').update(back.buffer).digest('hex')).toBe(
      createHash('sha256').update(bytes).digest('hex'),
    )
  })
})
