import { GatewayError } from '@proxy/kernel'
import { expect, test } from 'vitest'
import { fakeClock } from './clock.ts'
import { memoryTransport } from './memory-transport.ts'
import { pattern } from './pattern.ts'
import { Peer } from './peer.ts'
import { settle } from './waiting.ts'

const never = new AbortController().signal
const target = { host: '10.0.0.1', port: 5432, timeoutMs: 1_000 }

async function codeOf(dial: Promise<unknown>): Promise<string> {
  const error: unknown = await dial.catch((reason: unknown) => reason)
  return GatewayError.is(error) ? error.code : String(error)
}

test('an address that nobody serves refuses, a name that nobody serves does not exist', async () => {
  const transport = memoryTransport()
  expect(await codeOf(transport.connect(target, never))).toBe('PROXY_DIAL_REFUSED')
  expect(await codeOf(transport.connect({ ...target, host: 'db.example' }, never))).toBe('PROXY_DIAL_DNS')
  expect(transport.dials).toBe(2)
})

test('a fault may refuse, and is taken back', async () => {
  const transport = memoryTransport()
  const backend = transport.backend('10.0.0.1:5432')
  transport.fault('10.0.0.1:5432', { refuse: true })
  expect(await codeOf(transport.connect(target, never))).toBe('PROXY_DIAL_REFUSED')
  transport.fault('10.0.0.1:5432', undefined)
  await transport.connect(target, never)
  expect(backend.connections).toHaveLength(1)
})

test('a black hole lasts until the timeout of the clock, or the abort', async () => {
  const clock = fakeClock()
  const transport = memoryTransport({ clock })
  transport.fault('10.0.0.1:5432', { blackhole: true })
  const dial = codeOf(transport.connect(target, never))
  await settle()
  clock.advance(1_000)
  expect(await dial).toBe('PROXY_DIAL_TIMEOUT')
  const abort = new AbortController()
  const aborted = codeOf(transport.connect(target, abort.signal))
  await settle()
  abort.abort(new GatewayError('PROXY_DRAINING'))
  expect(await aborted).toBe('PROXY_DRAINING')
  expect(clock.pending).toBe(0)
})

test('a connection breaks after so many bytes', async () => {
  const transport = memoryTransport()
  const backend = transport.backend('10.0.0.1:5432', (peer) => void peer.write(pattern(1_000)))
  transport.fault('10.0.0.1:5432', { resetAfterBytes: 100 })
  const peer = new Peer(await transport.connect(target, never))
  await peer.closes()
  expect(peer.receivedBytes).toBe(100)
  expect(peer.error).toMatchObject({ code: 'ECONNRESET' })
  await backend.connections[0]?.closes()
  expect(transport.openLinks).toBe(0)
})

test('bytes come in the pieces that the splitter says', async () => {
  const transport = memoryTransport()
  const sizes: number[] = []
  transport.split((offset) => (offset === 0 ? 3 : 2))
  const acceptor = {
    onLink: (link: Peer['link']) => {
      const peer = new Peer(link)
      peer.onData = (_link, bytes) => void sizes.push(bytes.length)
    },
    onError: () => undefined,
  }
  const { address } = await transport.listen({ host: '127.0.0.1', port: 0 }, acceptor)
  const client = await transport.client(address)
  client.write('0123456')
  client.end()
  await settle()
  expect(sizes).toEqual([3, 2, 2])
})

test('a buffer that is kept after onData is overwritten', async () => {
  const transport = memoryTransport()
  const kept: Buffer[] = []
  transport.backend('10.0.0.1:5432', (peer) => {
    peer.onData = (_link, bytes) => void kept.push(bytes)
  })
  const link = await transport.connect(target, never)
  link.write('secret')
  await settle()
  expect(kept.map(String)).not.toContain('secret')
})
