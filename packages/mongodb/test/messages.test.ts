import { mongoFlags, mongoScript, type ScriptedMongo } from '@proxy/test-servers'
import { settle, until } from '@proxy/testkit'
import { ResolveError } from '@proxy/kernel'
import type { Document } from 'mongodb'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { usedMemory } from './memory.ts'
import { rawMongo, type RawMongo } from './raw.ts'
import { openGateway, type TestGateway, to } from './setup.ts'

const megabyte = 1_000_000
const large = Buffer.alloc(megabyte, 7)

let backend: ScriptedMongo
let gateway: TestGateway

beforeAll(async () => {
  backend = await mongoScript(({ name }) =>
    name === 'find' ? { bytes: Buffer.alloc(16 * megabyte), ok: 1 } : { ok: 1 },
  )
  gateway = await openGateway(({ key }) => {
    if (key === 'nowhere') throw new ResolveError('NOT_FOUND')
    return backend.endpoint
  })
})

beforeEach(() => void (backend.commands.length = 0))

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend.close()
})

async function pinned(): Promise<RawMongo> {
  const client = rawMongo(gateway.port)
  await client.ask({ hello: 1, $db: 'admin' })
  await client.ask({ ping: 1, $db: 'alpha' })
  backend.commands.length = 0
  return client
}

const insert = (database: string, more: Document = {}): Document => ({ insert: 't', ...more, $db: database })
const documents = (count: number): Document[] => Array.from({ length: count }, (_, _id) => ({ _id, large }))

describe('a large first command', () => {
  test('routes by its beginning, and arrives whole', async () => {
    using client = rawMongo(gateway.port)
    expect(await client.ask(insert('alpha'), { sequences: { documents: documents(16) } })).toEqual({ ok: 1 })
    const received = backend.commands.find(({ name }) => name === 'insert')
    expect(received?.sequences['documents']).toHaveLength(16)
  })

  test('that says for whom it is behind its documents is refused', async () => {
    using client = rawMongo(gateway.port)
    const sequences = { documents: documents(1) }
    expect(await client.ask(insert('alpha'), { sequences, sequencesFirst: true })).toMatchObject({ ok: 0 })
    await client.closes()
    expect(backend.commands).toEqual([])
  })
})

test('messages up to the cap of 48,000,000 bytes pass', async () => {
  using client = await pinned()
  const bytes = Buffer.alloc(16 * megabyte - 100)
  const sequences = { documents: [1, 2, 3].map((_id) => ({ _id, bytes })) }
  expect(await client.ask(insert('alpha'), { sequences })).toEqual({ ok: 1 })
  expect(backend.commands[0]?.sequences['documents']?.map(({ _id }) => _id as number)).toEqual([1, 2, 3])
})

describe('a command that says its database behind its documents', () => {
  test.each([1, 200])('goes on when it is for this tenant (%d documents)', async (count) => {
    using client = await pinned()
    const sequences = { documents: documents(40).slice(0, count) }
    expect(await client.ask(insert('alpha'), { sequences, sequencesFirst: true })).toEqual({ ok: 1 })
    expect(backend.commands[0]?.sequences['documents']?.length).toBe(Math.min(count, 40))
  })

  test('never reaches the backend whole when it is for another', async () => {
    using client = await pinned()
    client.send(insert('beta'), { sequences: { documents: documents(3) }, sequencesFirst: true })
    await client.closes()
    await until(() => backend.sockets.at(-1)?.destroyed === true, 'the end at the backend')
    expect(backend.commands).toEqual([])
  })
})

describe('ambiguous commands end the connection', () => {
  const element = (name: string, value: string): Buffer =>
    Buffer.concat([Buffer.from(`\x02${name}\0`), int32(value.length + 1), Buffer.from(`${value}\0`)])
  const int32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32LE(value)
    return bytes
  }
  const body = (...elements: Buffer[]): Buffer => {
    const inner = Buffer.concat(elements)
    return Buffer.concat([Buffer.of(0), int32(inner.length + 5), inner, Buffer.of(0)])
  }
  const message = (...sections: Buffer[]): Buffer => {
    const rest = Buffer.concat([int32(0), ...sections])
    return Buffer.concat([int32(16 + rest.length), int32(9), int32(0), int32(2013), rest])
  }
  const [find, alpha, beta] = [element('find', 't'), element('$db', 'alpha'), element('$db', 'beta')]

  test.each([
    ['two databases', message(body(find, alpha, beta))],
    ['two commands', message(body(find, alpha), body(find, beta))],
    ['a database that is a number', message(body(find, Buffer.concat([Buffer.from('\x10$db\0'), int32(5)])))],
    ['no command', message(body())],
  ])('%s', async (_, bytes) => {
    for (const client of [rawMongo(gateway.port), await pinned()]) {
      client.write(bytes)
      await client.closes()
      for (const { document } of client.messages.filter(({ responseTo }) => responseTo === 9)) {
        expect(document).toMatchObject({ ok: 0 })
      }
    }
    expect(backend.asked).toEqual([])
  })

  test('no database at all is up to the backend, once there is one', async () => {
    using client = await pinned()
    client.write(message(body(find)))
    await until(() => backend.asked.includes('find'), 'the command')
  })
})

describe('a first command that nobody waits for', () => {
  const unacknowledged = { writeConcern: { w: 0 }, documents: [{}] }

  test('routes the connection', async () => {
    using client = rawMongo(gateway.port)
    await client.ask({ hello: 1, $db: 'admin' })
    const silent = client.send(insert('alpha', unacknowledged), { flags: mongoFlags.moreToCome })
    expect(await client.ask({ ping: 1, $db: 'alpha' })).toEqual({ ok: 1 })
    expect(client.messages.some(({ responseTo }) => responseTo === silent)).toBe(false)
    expect(backend.asked).toEqual(['insert', 'ping'])
  })

  test('gets no answer when it cannot be routed either', async () => {
    using client = rawMongo(gateway.port)
    await client.ask({ hello: 1, $db: 'admin' })
    const silent = client.send(insert('nowhere', unacknowledged), { flags: mongoFlags.moreToCome })
    await client.ask({ ping: 1, $db: 'alpha' }).catch(() => undefined)
    expect(client.messages.some(({ responseTo }) => responseTo === silent)).toBe(false)
  })
})

test('several commands that come with the first are done, in their order', async () => {
  using client = rawMongo(gateway.port)
  client.socket.cork()
  const ids = [
    { hello: 1, $db: 'admin' },
    { ping: 1, $db: 'alpha' },
    { count: 't', $db: 'alpha' },
    { hello: 1, $db: 'admin' },
  ].map((command) => client.send(command))
  client.socket.uncork()
  await until(() => client.messages.length === 4, 'the answers')
  expect(new Set(client.messages.map(({ responseTo }) => responseTo))).toEqual(new Set(ids))
  expect(backend.asked).toEqual(['ping', 'count'])
})

test('a login for another tenant, on a connection that has one, gets code 13', async () => {
  using client = await pinned()
  const login = { saslStart: 1, mechanism: 'SCRAM-SHA-256', payload: Buffer.from('n,,n=demo,r=abc'), $db: 'beta' }
  expect(await client.ask(login)).toMatchObject({ ok: 0, code: 13 })
  expect(backend.asked).toEqual([])
})

describe('who does not read is waited for', () => {
  test('a client, and the gateway does not take what the backend has for it', async () => {
    using client = await pinned()
    client.socket.pause()
    const before = usedMemory()
    for (let n = 0; n < 8; n++) client.send({ find: 't', $db: 'alpha' })
    await until(() => backend.asked.length === 8, 'the commands')
    await settle(500)
    const left = backend.sockets.at(-1)!.writableLength
    expect(left).toBeGreaterThan(80 * megabyte)
    expect(usedMemory() - before - left).toBeLessThan(40 * megabyte)
    client.socket.resume()
    await until(() => client.messages.length === 10, 'the answers')
  })

  test('a backend, and the gateway does not take what the client has for it', async () => {
    await using slow = await mongoScript()
    await using other = await openGateway(to(slow))
    using client = rawMongo(other.port)
    await client.ask({ hello: 1, $db: 'admin' })
    await client.ask({ ping: 1, $db: 'alpha' })
    slow.sockets[0]!.pause()
    for (let n = 0; n < 4; n++) client.send(insert('alpha'), { sequences: { documents: documents(25) } })
    await settle(500)
    expect(client.socket.writableLength).toBeGreaterThan(70 * megabyte)
    slow.sockets[0]!.resume()
    await until(() => client.messages.length === 6, 'the answers')
  })
})
