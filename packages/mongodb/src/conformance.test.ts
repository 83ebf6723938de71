import assert from 'node:assert/strict'
import { type Peer, type ProtocolFixture, protocolConformance } from '@proxy/testkit'
import type { Document } from 'bson'
import { capture, documentOf, int32, message, messagesOf, query } from './__fixtures__/streams.ts'
import { DocumentWriter } from './bson.ts'
import { mongodb } from './mongodb.ts'
import { encodeMsg } from './wire.ts'

/** What the gateway says to a backend before anything else. */
const greeting = (...elements: Buffer[]): Buffer => {
  const document = new DocumentWriter().int32('isMaster', 1)
  for (const element of elements) document.copy(element)
  return encodeMsg(1, 0, document.string('$db', 'admin').end())
}

const described = (more: Document = {}): Buffer =>
  message({ ismaster: true, maxWireVersion: 21, minWireVersion: 0, ok: 1, ...more }, { responseTo: 1, requestId: 5 })

const done = message({ ok: 1, n: 1 }, { responseTo: 7, requestId: 6 })

/** A backend that says hello, and answers the command behind it. */
function serving(opening: Buffer, command: Buffer) {
  return async (backend: Peer): Promise<void> => {
    try {
      await backend.take(opening.length)
      backend.write(described())
      await backend.take(command.length)
      backend.write(done)
    } catch {
      // The client of this check has left in the middle.
    }
  }
}

const plain = (name: string, key: string, command: Buffer): ProtocolFixture => ({
  name,
  client: command,
  key,
  attributes: { database: key },
  backend: Buffer.concat([greeting(), command]),
  serve: serving(greeting(), command),
  established: done,
})

/** Says hello as the driver does, waits for the answer, and goes on. */
function introduced(name: string, key: string, hello: Buffer, metadata: Buffer[], command: Buffer): ProtocolFixture {
  const opening = greeting(...metadata)
  return {
    name,
    async client(client) {
      client.write(hello)
      const length = (await client.take(4)).readInt32LE(0)
      const answer = documentOf(Buffer.concat([int32(length), await client.take(length - 4)]))
      assert.equal(answer['msg'], 'isdbgrid')
      client.write(command)
    },
    key,
    backend: Buffer.concat([opening, command]),
    serve: serving(opening, command),
    established: done,
  }
}

const find = (key: string): Buffer => message({ find: 't', filter: {}, $db: key })
const monitor = messagesOf(capture('driver-monitor'))[0]!
const metadata = ((): Buffer[] => {
  const at = monitor.indexOf('\x03client\0')
  return [monitor.subarray(at, at + 8 + monitor.readInt32LE(at + 8))]
})()

const scram = message({ saslStart: 1, mechanism: 'SCRAM-SHA-256', payload: Buffer.from('n,,n=app,r=x'), $db: 'gamma' })

protocolConformance({
  protocol: () => mongodb(),
  fixtures: [
    plain('a command', 'alpha', find('alpha')),
    introduced('the driver', 'beta', monitor, metadata, find('beta')),
    { ...plain('saslStart', 'gamma', scram), attributes: { authSource: 'gamma', user: 'app' } },
    introduced('legacy hello', 'delta', query({ isMaster: 1 }), [], find('delta')),
  ],
  refusal(bytes, code) {
    const silent = ['PROXY_TLS_HANDSHAKE', 'PROXY_PROXY_HEADER']
    if (silent.includes(code) || (code === 'PROXY_LIMIT_CONNECTIONS' && bytes.length === 0)) {
      return assert.equal(bytes.length, 0)
    }
    assert.equal(messagesOf(bytes).length, 1)
    assert.equal(bytes.readInt32LE(8), 7)
    const { ok, code: number, codeName, errmsg } = documentOf(bytes)
    assert.equal(ok, 0)
    assert.ok(number > 0 && codeName.length > 0 && errmsg.length > 0)
  },
  staysRefused: true,
  ready: {
    serving: saysHello(described()),
    notReady: {
      'is starting': saysHello(message({ ok: 0, code: 11_600, errmsg: 'not yet' }, { responseTo: 1 })),
      'is shut down': saysHello(message({ ok: 0, code: 91, errmsg: 'goodbye' }, { responseTo: 1 })),
    },
  },
  late: message({ cursor: Buffer.alloc(50_000) }, { flags: 2 }),
  more: message({ insert: 't', documents: [{ bytes: Buffer.alloc(50_000) }], $db: 'alpha' }),
  oversize: [
    Buffer.concat([int32(48_000_000), int32(1), int32(0), int32(2013), int32(0), Buffer.of(0), int32(40_000_000)]),
    int32(48_000_001),
    Buffer.concat([int32(60_000), int32(1), int32(0), int32(2013), int32(0), Buffer.of(1), int32(50_000)]),
    Buffer.alloc(0),
  ],
})

/** Answers a hello. */
function saysHello(answer: Buffer) {
  return async (backend: Peer): Promise<void> => {
    await backend.take(greeting().length).catch(() => undefined)
    if (!backend.closed) backend.write(answer)
  }
}
