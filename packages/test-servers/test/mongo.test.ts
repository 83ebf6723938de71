import { MongoClient, type MongoClientOptions } from 'mongodb'
import { expect, test } from 'vitest'
import { certificateAuthority, describeNeeding, mongoScript, mongoServer } from '../src/index.ts'

async function withClient<T>(
  url: string,
  use: (client: MongoClient) => Promise<T>,
  options: MongoClientOptions = {},
): Promise<T> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 2_000, ...options })
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}

const ping = (client: MongoClient): Promise<unknown> => client.db('alpha').command({ listCollections: 1 })

describeNeeding(['ferretdb'], 'mongoServer', () => {
  test('knows its users by their password', async () => {
    const app = { name: 'app', password: 'secret', database: 'alpha' }
    await using server = await mongoServer({ users: [{ name: 'demo', password: 'demo' }, app] })
    expect(await withClient(server.url('alpha'), ping)).toMatchObject({ ok: 1 })
    expect(await withClient(server.url('alpha', { user: app }), ping)).toMatchObject({ ok: 1 })
    const wrong = server.url('alpha', { user: { ...app, password: 'wrong' } })
    await expect(withClient(wrong, ping)).rejects.toMatchObject({ code: 18 })
    await expect(withClient(`mongodb://${server.endpoint}`, ping)).rejects.toMatchObject({ code: 13 })
  })

  test('keeps its data and port over a restart, a crash included', async () => {
    await using server = await mongoServer()
    await withClient(server.url('alpha'), (client) => client.db('alpha').collection('t').insertOne({ answer: 42 }))
    const read = (): Promise<unknown> =>
      withClient(server.url('alpha'), (client) => client.db('alpha').collection('t').findOne())
    await server.restart()
    expect(await read()).toMatchObject({ answer: 42 })
    await server.halt('SIGKILL')
    expect(server.running).toBe(false)
    await server.start()
    expect(await read()).toMatchObject({ answer: 42 })
  })

  test('asks nobody who has no users', async () => {
    await using server = await mongoServer({ users: [] })
    expect(await withClient(server.url('alpha'), ping)).toMatchObject({ ok: 1 })
  })

  test('waits to be started', async () => {
    await using server = await mongoServer({ start: false })
    expect(server.running).toBe(false)
    await server.start()
    expect(await withClient(server.url('alpha'), ping)).toMatchObject({ ok: 1 })
  })
})

describeNeeding(['ferretdb', 'openssl'], 'mongoServer with TLS', () => {
  test('speaks TLS only', async () => {
    const ca = certificateAuthority()
    await using server = await mongoServer({ tls: ca.server({ name: 'localhost' }) })
    const options = { tls: true, tlsCAFile: ca.certFile }
    expect(await withClient(server.url('alpha'), ping, options)).toMatchObject({ ok: 1 })
    await expect(withClient(server.url('alpha'), ping, { serverSelectionTimeoutMS: 500 })).rejects.toThrow(
      /closed|reset|parse/i,
    )
    ca.dispose()
  })
})

test('mongoScript answers what it is told to', async () => {
  const cursor = { id: 0n, ns: 'alpha.b', firstBatch: [{ _id: 1 }, { _id: 2 }] }
  await using backend = await mongoScript(({ name }) => (name === 'find' ? { cursor, ok: 1 } : { ok: 1 }))
  const find = (client: MongoClient) => client.db('alpha').collection('b').find().toArray()
  expect(await withClient(`mongodb://${backend.endpoint}/?directConnection=true`, find)).toEqual(cursor.firstBatch)
  expect(backend.asked).toContain('find')
})
