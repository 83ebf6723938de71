import { type Backend, backend, Gateway } from '@proxy/kernel'
import { fakeClock, memoryTransport, type Peer, settle, until } from '@proxy/testkit'
import type { Document } from 'bson'
import { afterEach, expect, test } from 'vitest'
import { documentOf, message } from './__fixtures__/streams.ts'
import { mongodb } from './mongodb.ts'
import type { MongodbOptions } from './options.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

type Answer = Document | 'close' | 'garbage' | 'silence'

const primary: Document = { ismaster: true, maxWireVersion: 21, minWireVersion: 0, ok: 1 }
const secondary: Document = { ...primary, ismaster: false, secondary: true, setName: 'rs', hosts: ['db1.inside:1'] }

/** Backends that answer each connection's hello with the next of their answers, the last one for ever. */
async function stage(backends: Readonly<Record<string, readonly Answer[]>>, options: MongodbOptions = {}) {
  const clock = fakeClock()
  const transport = memoryTransport({ clock })
  const served: string[] = []
  for (const [address, answers] of Object.entries(backends)) {
    let count = 0
    transport.backend(
      address,
      (peer) => void serve(peer, address, answers[Math.min(count++, answers.length - 1)]!, served),
    )
  }
  const resolution: Backend = backend({ endpoint: Object.keys(backends) })
  const listeners = [{ address: { host: '127.0.0.1', port: 0 }, protocol: mongodb(options) }]
  const gateway = new Gateway({ listeners, resolver: () => resolution, guard: false, transport, clock })
  await gateway.open()
  cleanups.push(() => gateway.close())
  const client = await transport.client(gateway.addresses[0]!)
  cleanups.push(() => client.destroy())
  client.write(message({ find: 't', $db: 'alpha' }))
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0 && client.receivedBytes === 0; left -= 50) {
      clock.advance(50)
      await settle(6)
    }
  }
  const reply = async (): Promise<Document> => {
    await pass(60_000)
    await until(() => client.receivedBytes > 0, 'an answer')
    return documentOf(client.received)
  }
  return { client, served, transport, reply, pass }
}

async function serve(peer: Peer, address: string, answer: Answer, served: string[]): Promise<void> {
  try {
    const length = (await peer.take(4)).readInt32LE(0)
    await peer.take(length - 4)
    if (answer === 'silence') return
    if (answer === 'close') return peer.end()
    if (answer === 'garbage') return void peer.write('HTTP/1.1 400 Bad Request\r\n\r\n')
    peer.write(message(answer, { responseTo: 1 }))
    await peer.take(4)
    served.push(address)
    peer.write(message({ from: address, ok: 1 }, { responseTo: 7 }))
  } catch {
    // The gateway has left.
  }
}

test('a backend that takes connections and closes them is dialled again until it says hello', async () => {
  const { reply, transport } = await stage({ '10.0.0.1:1': ['close', 'close', { ok: 0, code: 11_600 }, primary] })
  expect(await reply()).toMatchObject({ from: '10.0.0.1:1', ok: 1 })
  expect(transport.dials).toBe(4)
})

test('past the deadline its client is told that it cannot be reached', async () => {
  const { reply } = await stage({ '10.0.0.1:1': ['close'] }, { readinessTimeoutMs: 1_000 })
  expect(await reply()).toMatchObject({ ok: 0, code: 6 })
})

test('of several endpoints the one that takes writes is used', async () => {
  const { reply, served } = await stage({ '10.0.0.1:1': [secondary], '10.0.0.2:1': ['close'], '10.0.0.3:1': [primary] })
  expect(await reply()).toMatchObject({ from: '10.0.0.3:1' })
  expect(served).toEqual(['10.0.0.3:1'])
})

test('during an election it waits for the one that takes writes', async () => {
  const { reply } = await stage({ '10.0.0.1:1': [secondary, secondary, primary], '10.0.0.2:1': [secondary] })
  expect(await reply()).toMatchObject({ from: '10.0.0.1:1' })
})

test('with none that takes writes, reads go to one that does not', async () => {
  const { reply } = await stage({ '10.0.0.1:1': [secondary], '10.0.0.2:1': ['close'] }, { readinessTimeoutMs: 500 })
  expect(await reply()).toMatchObject({ from: '10.0.0.1:1' })
})

test('a single endpoint is used whether it takes writes or not', async () => {
  const { reply, transport } = await stage({ '10.0.0.1:1': [secondary] })
  expect(await reply()).toMatchObject({ from: '10.0.0.1:1' })
  expect(transport.dials).toBe(1)
})

test.each<[string, Answer, number]>([
  ['speaks older wire versions than clients were told', { ...primary, maxWireVersion: 17 }, 188],
  ['speaks newer wire versions only', { ...primary, minWireVersion: 22, maxWireVersion: 30 }, 188],
  ['speaks something else', 'garbage', 188],
  ['refuses to say hello', { ok: 0, code: 13, errmsg: 'secret' }, 188],
])('a backend that %s is refused', async (_name, answer, code) => {
  const { reply } = await stage({ '10.0.0.1:1': [answer] })
  const document = await reply()
  expect(document).toMatchObject({ ok: 0, code })
  expect(JSON.stringify(document)).not.toMatch(/10\.0\.|secret/)
})

test('a backend that says nothing takes the time of the handshake', async () => {
  const { reply } = await stage({ '10.0.0.1:1': ['silence'] })
  expect(await reply()).toMatchObject({ ok: 0, code: 89 })
})
