import { Gateway, ResolveError, type SessionEndEvent } from '@proxy/kernel'
import { fakeClock, memoryTransport, type Peer, settle, until } from '@proxy/testkit'
import type { Document } from 'bson'
import { afterEach, expect, test } from 'vitest'
import { documentOf, int32, type MessageParts, message, query } from './__fixtures__/streams.ts'
import { mongodb } from './mongodb.ts'
import type { MongodbOptions } from './options.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const described: Document = { ismaster: true, setName: 'rs', hosts: ['db1.inside:1'], maxWireVersion: 21, ok: 1 }

/** Says who it is, in answer to every command; in `hello` it knows the mechanisms of one user. */
async function serve(peer: Peer, key: string, heard: Document[]): Promise<void> {
  for (;;) {
    const bytes = await next(peer)
    const document = documentOf(bytes)
    heard.push(document)
    if ((bytes.readInt32LE(16) & 2) !== 0) continue
    const mechanisms = document['saslSupportedMechs'] === undefined ? {} : { saslSupportedMechs: ['SCRAM-SHA-1'] }
    const first = 'isMaster' in document || 'hello' in document
    const answer = first ? { ...described, ...mechanisms } : { from: key, ok: 1 }
    peer.write(message(answer, { responseTo: bytes.readInt32LE(4) }))
  }
}

async function next(peer: Peer): Promise<Buffer> {
  const length = (await peer.take(4)).readInt32LE(0)
  return Buffer.concat([int32(length), await peer.take(length - 4)])
}

async function stage(options: MongodbOptions = {}) {
  const clock = fakeClock()
  const transport = memoryTransport({ clock })
  const heard: Document[] = []
  const keys: string[] = []
  const backends: Record<string, string> = { alpha: '10.0.0.1:1', beta: '10.0.0.2:1' }
  for (const [key, address] of Object.entries(backends)) {
    transport.backend(address, (peer) => void serve(peer, key, heard).catch(() => undefined))
  }
  const resolver = ({ key }: { key: string }): string => {
    keys.push(key)
    if (key === 'gone') return '10.0.0.9:1'
    const found = backends[key]
    if (found === undefined) throw new ResolveError('NOT_FOUND')
    return found
  }
  const listeners = [{ address: { host: '127.0.0.1', port: 0 }, protocol: mongodb(options) }]
  const gateway = new Gateway({ listeners, resolver, guard: false, transport, clock })
  const ends: SessionEndEvent[] = []
  gateway.hooks.on('session:end', (end) => ends.push(end))
  await gateway.open()
  cleanups.push(() => gateway.close())
  const client = await transport.client(gateway.addresses[0]!)
  cleanups.push(() => client.destroy())
  let requestId = 100
  const send = (bytes: Buffer): Promise<Document> => {
    client.write(bytes)
    return next(client).then(documentOf)
  }
  const ask = (document: Document, parts: MessageParts = {}): Promise<Document> =>
    send(message(document, { requestId: ++requestId, ...parts }))
  return { gateway, client, transport, clock, heard, keys, ends, send, ask }
}

test('a monitor is answered for as long as it lives, and nothing is resolved for it', async () => {
  const { send, ask, clock, keys, transport, gateway, ends, client } = await stage()
  expect(await send(query({ isMaster: 1, helloOk: true }))).toMatchObject({ ismaster: true, helloOk: true })
  for (let minute = 0; minute < 30; minute++) {
    clock.advance(60_000)
    await settle(2)
    const awaitable = { topologyVersion: { counter: 1 }, maxAwaitTimeMS: 10_000 }
    const answer = await ask({ hello: 1, ...awaitable, $db: 'admin' }, { flags: 1 << 16 })
    expect(answer).toMatchObject({ isWritablePrimary: true, msg: 'isdbgrid' })
    for (const key of ['hosts', 'setName', 'topologyVersion', 'speculativeAuthenticate', 'compression', 'serviceId']) {
      expect(answer).not.toHaveProperty(key)
    }
  }
  expect([keys, transport.dials]).toEqual([[], 0])
  const drained = gateway.drain()
  await client.ends()
  client.end()
  await drained
  expect(ends).toMatchObject([{ outcome: 'answered', reason: 'done', key: undefined }])
})

test('what needs no server is answered without one, and goes to it afterwards', async () => {
  const { ask, transport } = await stage({ serverVersion: '6.0.5' })
  const locals = ['ping', 'buildInfo', 'buildinfo', 'connectionStatus', 'endSessions', 'logout', 'whatsmyuri']
  for (const name of locals) expect(await ask({ [name]: 1, $db: 'admin' })).toMatchObject({ ok: 1 })
  expect(await ask({ buildInfo: 1, $db: 'admin' })).toMatchObject({ version: '6.0.5', versionArray: [6, 0, 5, 0] })
  expect((await ask({ whatsmyuri: 1, $db: 'admin' }))['you']).toMatch(/^192\.0\.2\.1:/)
  expect(await ask({ endSessions: [], $db: 'alpha' })).not.toHaveProperty('from')
  expect(transport.dials).toBe(0)
  await ask({ find: 't', $db: 'alpha' })
  for (const name of ['ping', 'buildInfo'])
    expect(await ask({ [name]: 1, $db: 'admin' })).toMatchObject({ from: 'alpha' })
})

test('a connection keeps its tenant', async () => {
  const { ask, keys } = await stage()
  expect(await ask({ find: 't', $db: 'alpha' })).toMatchObject({ from: 'alpha' })
  expect(await ask({ find: 't', $db: 'beta' })).toMatchObject({ ok: 0, code: 13 })
  expect(await ask({ killCursors: 't', $db: 'alpha' })).toMatchObject({ from: 'alpha' })
  expect(await ask({ listDatabases: 1, $db: 'admin' })).toMatchObject({ from: 'alpha' })
  expect(await ask({ hello: 1, $db: 'admin' })).toMatchObject({ msg: 'isdbgrid' })
  expect(keys).toEqual(['alpha'])
})

test('a connection without a tenant goes on, and may name one', async () => {
  const { ask, keys } = await stage()
  expect(await ask({ listDatabases: 1, $db: 'admin' })).toMatchObject({ ok: 0, code: 26 })
  expect(await ask({ find: 't', $db: 'nobody' })).toMatchObject({ ok: 0, code: 26 })
  expect(await ask({ find: 't', $db: 'gone' })).toMatchObject({ ok: 0, code: 6 })
  expect(await ask({ find: 't', $db: 'alpha' })).toMatchObject({ from: 'alpha' })
  expect(keys).toEqual(['nobody', 'gone', 'alpha'])
})

test('a login is routed, and its server says what its user may use', async () => {
  const { ask, heard, transport } = await stage()
  const client = { driver: { name: 'x', version: '1' } }
  const speculativeAuthenticate = {
    saslStart: 1,
    mechanism: 'SCRAM-SHA-256',
    payload: Buffer.from('n,,n=app'),
    db: 'alpha',
  }
  const hello = { hello: 1, client, saslSupportedMechs: 'alpha.app', speculativeAuthenticate, $db: 'admin' }
  const answer = await ask(hello)
  expect(answer).toMatchObject({ msg: 'isdbgrid', saslSupportedMechs: ['SCRAM-SHA-1'] })
  expect(answer).not.toHaveProperty('speculativeAuthenticate')
  expect(heard).toEqual([{ hello: 1, client, saslSupportedMechs: 'alpha.app', $db: 'admin' }])
  expect(await ask({ saslStart: 1, mechanism: 'SCRAM-SHA-1', $db: 'alpha' })).toMatchObject({ from: 'alpha' })
  expect(transport.dials).toBe(1)
})

test('where no server can be asked, the mechanisms are those of the options', async () => {
  const { ask, transport } = await stage({ mechanisms: ['SCRAM-SHA-256'] })
  const answer = await ask({ hello: 1, saslSupportedMechs: 'admin.app', $db: 'admin' })
  expect(answer).toMatchObject({ saslSupportedMechs: ['SCRAM-SHA-256'] })
  expect(transport.dials).toBe(0)
})

test('metadata is told to the server although hello was said again without it', async () => {
  const { ask, heard } = await stage()
  const client = { driver: { name: 'x' } }
  await ask({ hello: 1, client, $db: 'admin' })
  await ask({ hello: 1, $db: 'admin' })
  await ask({ find: 't', $db: 'alpha' })
  expect(heard[0]).toEqual({ hello: 1, client, $db: 'admin' })
})

test('the service of a connection stays the same', async () => {
  const { ask } = await stage()
  const id = async () => String((await ask({ hello: 1, loadBalanced: true, $db: 'admin' }))['serviceId'])
  const before = await id()
  expect(before).toMatch(/^[0-9a-f]{24}$/)
  await ask({ find: 't', $db: 'alpha' })
  expect(await id()).toBe(before)
})

test.each<[string, Document, number]>([
  ['X.509', { authenticate: 1, mechanism: 'MONGODB-X509', $db: '$external' }, 18],
  ['the state of the replica set', { replSetGetStatus: 1, $db: 'admin' }, 115],
  ['a later API', { hello: 1, apiVersion: '2', $db: 'admin' }, 322],
  [
    'a login that names no tenant',
    { saslStart: 1, mechanism: 'SCRAM-SHA-1', payload: Buffer.from(''), $db: 'admin' },
    26,
  ],
])('%s is refused without a server', async (_name, command, code) => {
  const { ask, transport } = await stage()
  expect(await ask(command)).toMatchObject({ ok: 0, code })
  expect(await ask({ ping: 1, $db: 'admin' })).toMatchObject({ ok: 1 })
  expect(transport.dials).toBe(0)
})

test('a message that nobody waits for gets no answer, and routes all the same', async () => {
  const { ask, client, heard } = await stage()
  client.write(message({ ping: 1, $db: 'admin' }, { flags: 2 }))
  client.write(message({ find: 't', $db: 'nobody' }, { flags: 2 }))
  client.write(message({ insert: 't', $db: 'alpha' }, { flags: 2 }))
  await until(() => heard.some((document) => 'insert' in document), 'the insert')
  expect(client.receivedBytes).toBe(0)
  expect(await ask({ find: 't', $db: 'alpha' })).toMatchObject({ from: 'alpha' })
})

test('what is malformed gets an error and the end', async () => {
  const { send, client, ends } = await stage()
  const bytes = message({ find: 't', $db: 'alpha' })
  bytes.writeInt32LE(1 << 5, 16)
  expect(await send(bytes)).toMatchObject({ ok: 0, code: 115 })
  await client.ends()
  client.end()
  await until(() => ends.length === 1, 'session:end')
  expect(ends[0]).toMatchObject({ outcome: 'refused', error: { code: 'PROXY_UNSUPPORTED' } })
})
