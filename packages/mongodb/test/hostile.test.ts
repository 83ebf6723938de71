import { once } from 'node:events'
import net from 'node:net'
import { encodeMongo, mongoFlags, mongoScript, type ScriptedMongo, withHeader } from '@proxy/test-servers'
import { until } from '@proxy/testkit'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { usedMemory } from './memory.ts'
import { type RawMongo, rawMongo } from './raw.ts'
import { openGateway, type TestGateway, to } from './setup.ts'

let backend: ScriptedMongo
let gateway: TestGateway

beforeAll(async () => {
  backend = await mongoScript(({ document }) => ({ echo: document['n'] as number, ok: 1 }))
  gateway = await openGateway(to(backend), { listener: { limits: { handshakeTimeoutMs: 500 } } })
})

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await backend.close()
})

async function pinned(port = gateway.port): Promise<RawMongo> {
  const client = rawMongo(port)
  await client.ask({ hello: 1, $db: 'admin' })
  await client.ask({ ping: 1, $db: 'alpha' })
  return client
}

async function expectGoodTraffic(port = gateway.port): Promise<void> {
  using client = await pinned(port)
  for (let n = 0; n < 3; n++) expect(await client.ask({ count: 't', n, $db: 'alpha' })).toEqual({ echo: n, ok: 1 })
}

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}

/** A header that says a length which is not that of what follows. */
const header = (length: number, opCode = 2013): Buffer =>
  Buffer.concat([int32(length), int32(1), int32(0), int32(opCode)])

const find = { find: 't', $db: 'alpha' }

const bad: readonly [string, Buffer][] = [
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n')],
  ['zeroes', Buffer.alloc(64)],
  ['a negative length', Buffer.concat([header(-1), Buffer.alloc(32)])],
  ['a length of 15', Buffer.concat([header(15), Buffer.alloc(32)])],
  ['a length over the cap', header(48_000_001)],
  ['the greatest length', header(0x7fffffff)],
  ['an unknown opcode', withHeader(4242, {}, Buffer.alloc(32))],
  [
    'OP_INSERT',
    withHeader(2002, {}, Buffer.concat([int32(0), Buffer.from('alpha.t\0'), Buffer.from('\x05\0\0\0\0', 'latin1')])),
  ],
  [
    'a compressed message',
    withHeader(2012, {}, Buffer.concat([int32(2013), int32(26), Buffer.of(2), Buffer.alloc(26)])),
  ],
  ['an unknown required flag', encodeMongo(find, { flags: 1 << 5 })],
  ['every required flag', encodeMongo(find, { flags: 0xffff })],
  ['no section', withHeader(2013, {}, int32(0))],
  [
    'an unknown kind of section',
    withHeader(2013, {}, Buffer.concat([int32(0), Buffer.of(7), Buffer.from('\x05\0\0\0\0', 'latin1')])),
  ],
  [
    'a document longer than its message',
    withHeader(2013, {}, Buffer.concat([int32(0), Buffer.of(0), int32(1_000_000), Buffer.alloc(8)])),
  ],
  ['a document of no bytes', withHeader(2013, {}, Buffer.concat([int32(0), Buffer.of(0), int32(0), Buffer.alloc(8)]))],
]

describe.each(bad)('%s', (_, bytes) => {
  test('as the first message is the end of the connection', async () => {
    using client = rawMongo(gateway.port)
    client.write(bytes)
    await client.closes()
    for (const { document } of client.messages) expect(document).toMatchObject({ ok: 0 })
    await expectGoodTraffic()
  })

  test('after the route is the end of the connection, and never reaches the backend', async () => {
    using client = await pinned()
    const asked = backend.asked.length
    client.write(bytes)
    await client.closes()
    expect(backend.asked.length).toBe(asked)
    await expectGoodTraffic()
  })
})

describe('messages that are only half there', () => {
  const whole = encodeMongo({ hello: 1, $db: 'admin' })

  test.each([
    ['nothing', 0],
    ['half a header', 9],
    ['half a document', whole.length - 4],
  ])('%s is ended by the deadline', async (_, length) => {
    using client = rawMongo(gateway.port)
    client.write(whole.subarray(0, length))
    await client.closes()
  })

  test('clients that leave, at every byte', async () => {
    for (let cut = 0; cut <= whole.length; cut += 3) {
      const socket = net.connect(gateway.port, '127.0.0.1')
      socket.end(whole.subarray(0, cut))
      socket.resume()
      await once(socket, 'close')
    }
    await expectGoodTraffic()
  })

  test('a huge message of which little comes takes little memory', async () => {
    const clients = await Promise.all(Array.from({ length: 40 }, pinned))
    const before = usedMemory()
    for (const client of clients)
      client.write(Buffer.concat([header(48_000_000), int32(0), Buffer.of(0), int32(47_999_970)]))
    await expectGoodTraffic()
    expect(usedMemory() - before).toBeLessThan(20_000_000)
    for (const client of clients) client[Symbol.dispose]()
  })

  test('one byte at a time is understood', async () => {
    using client = rawMongo(gateway.port)
    client.socket.setNoDelay(true)
    for (const byte of encodeMongo({ hello: 1, $db: 'admin' }, { requestId: 9 })) {
      client.write(Buffer.of(byte))
      await new Promise(setImmediate)
    }
    await until(() => client.messages.length === 1, 'the answer')
    for (const byte of encodeMongo({ count: 't', n: 5, $db: 'alpha' }, { requestId: 10 })) {
      client.write(Buffer.of(byte))
      await new Promise(setImmediate)
    }
    await until(() => client.messages.length === 2, 'the answer')
    expect(client.messages[1]).toMatchObject({ responseTo: 10, document: { echo: 5 } })
  })
})

test('many messages in one packet are answered, each, in their order', async () => {
  using client = await pinned()
  const numbers = Array.from({ length: 500 }, (_, n) => n)
  client.write(
    Buffer.concat(
      numbers.map((n) => encodeMongo({ count: 't', n, $db: n % 10 === 0 ? 'beta' : 'alpha' }, { requestId: 1000 + n })),
    ),
  )
  await until(() => client.messages.length === 502, 'every answer')
  const answers = client.messages.slice(2)
  for (const { responseTo, document } of answers) {
    const n = responseTo - 1000
    expect(document).toMatchObject(n % 10 === 0 ? { code: 13 } : { echo: n })
  }
  expect(new Set(answers.map(({ responseTo }) => responseTo)).size).toBe(500)
})

test('random bytes', async () => {
  const head = fc.constantFrom(Buffer.alloc(0), encodeMongo({ hello: 1, $db: 'admin' }), encodeMongo(find), header(100))
  await fc.assert(
    fc.asyncProperty(head, fc.uint8Array({ minLength: 8, maxLength: 200 }), async (known, unknown) => {
      const socket = net.connect(gateway.port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.end(Buffer.concat([known, unknown]))
      socket.resume()
      await once(socket, 'close')
    }),
    { numRuns: 60 },
  )
  await expectGoodTraffic()
})

test('a backend that speaks something else, or nothing, or breaks off', async () => {
  const answers = ['HTTP/1.1 400 Bad Request\r\n\r\n', '', header(0x7fffffff)]
  for (const answer of answers) {
    const wrong = net.createServer((socket) =>
      socket.on('error', () => undefined).once('data', () => socket.end(answer)),
    )
    wrong.listen(0, '127.0.0.1')
    await once(wrong, 'listening')
    const { port } = wrong.address() as net.AddressInfo
    await using other = await openGateway(() => `127.0.0.1:${port}`, { protocol: { readinessTimeoutMs: 0 } })
    using client = rawMongo(other.port)
    await client.ask({ hello: 1, $db: 'admin' })
    const error = await client.ask({ ping: 1, $db: 'alpha' })
    expect(error).toMatchObject({ ok: 0 })
    expect(JSON.stringify(error)).not.toContain(String(port))
    wrong.close()
  }
})

test('a backend that answers garbage in the session ends it', async () => {
  using client = await pinned()
  const socket = backend.sockets.at(-1)!
  socket.write(Buffer.concat([header(0x7fffffff), int32(0)]))
  await client.closes()
  await expectGoodTraffic()
})

test('2,000 dropped connections leave no memory and no session behind, and good traffic goes on', {
  timeout: 60_000,
}, async () => {
  // Of its own, with the usual time for a handshake: this many at once may take a busy machine more than half a second.
  await using gateway = await openGateway(to(backend))
  const drop = async (kind: number): Promise<void> => {
    const socket = net.connect(gateway.port, '127.0.0.1')
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    if (kind > 0) socket.write(encodeMongo({ hello: 1, $db: 'admin' }))
    if (kind > 1) socket.write(encodeMongo(find))
    if (kind > 2) socket.write(encodeMongo(find, { flags: mongoFlags.moreToCome }).subarray(0, 30))
    if (kind > 0) await once(socket, 'data').catch(() => undefined)
    socket.resetAndDestroy()
  }
  const round = async (count: number): Promise<void> => {
    for (let done = 0; done < count; done += 50) await Promise.all(Array.from({ length: 50 }, (_, n) => drop(n % 4)))
    await until(() => gateway.gateway.stats().sessions === 0, 'the end of every session')
    backend.commands.length = 0
  }
  await round(200)
  const before = usedMemory()
  await Promise.all([round(2_000), traffic(20, gateway.port)])
  await until(() => gateway.gateway.stats().sessions === 0, 'the end of every session')
  expect(usedMemory() - before).toBeLessThan(20_000_000)
})

async function traffic(times: number, port = gateway.port): Promise<void> {
  for (let n = 0; n < times; n++) await expectGoodTraffic(port)
}
