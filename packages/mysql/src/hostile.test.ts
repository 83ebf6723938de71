import { readFileSync } from 'node:fs'
import { Gateway, type GatewayError } from '@proxy/kernel'
import { fakeClock, fuzzed, memoryTransport, type Peer, settle } from '@proxy/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { offered } from './capabilities.ts'
import { encodeGreeting } from './greeting.ts'
import { mysql } from './mysql.ts'
import { encodeAuthSwitch, encodeError, encodePacket, okPayload } from './wire.ts'

const count = 1_500
const captured = (name: string): Buffer => readFileSync(new URL(`__fixtures__/${name}.bin`, import.meta.url))
const login = captured('cli.login')
const answer = captured('cli.answer')
const greeting = encodePacket(
  0,
  encodeGreeting({
    version: '10.11.6-MariaDB',
    connectionId: 7,
    flags: offered([], false),
    scramble: Buffer.from('abcdefghijklmnopqrst'),
    plugin: 'mysql_native_password',
  }),
)
const question = encodePacket(2, encodeAuthSwitch('caching_sha2_password', Buffer.from('ABCDEFGHIJKLMNOPQRST')))
const more = encodePacket(4, Buffer.of(1, 4))
const ok = encodePacket(4, okPayload)
const error = encodePacket(2, encodeError({ number: 1045, sqlState: '28000', message: 'Access denied' }))

const transport = memoryTransport()
const clock = fakeClock()
let said: Buffer = Buffer.alloc(0)
let ends: (GatewayError | undefined)[] = []
let faults: unknown[] = []
let gateway: Gateway

beforeEach(async () => {
  ;[ends, faults] = [[], []]
  gateway = new Gateway({
    listeners: [
      {
        address: '127.0.0.1:0',
        protocol: mysql({ readinessTimeoutMs: 0, defaultKey: 'any', passwordBridge: 'allow' }),
      },
    ],
    resolver: () => '10.0.0.1:3306',
    transport,
    clock,
    guard: false,
  })
  gateway.hooks.on('session:end', (end) => ends.push(end.error))
  gateway.hooks.on('gateway:error', (fault) => faults.push(fault.error))
  await gateway.open()
})

afterEach(async () => {
  await gateway.close()
})

const backend = transport.backend('10.0.0.1:3306', (peer) => void peer.write(said))

async function visit(bytes: Buffer): Promise<void> {
  const before = ends.length
  const client: Peer = await transport.client(gateway.addresses[0]!)
  client.write(bytes)
  await settle(6)
  client.reset()
  for (const peer of backend.connections) if (!peer.closed) peer.reset()
  for (let turns = 0; ends.length === before && turns < 20; turns++) {
    clock.advance(1_000)
    await settle(2)
  }
  if (ends.length !== before + 1) throw new Error(`does not end: ${bytes.toString('hex')} ${said.toString('hex')}`)
  if (ends.at(-1)?.code === 'PROXY_INTERNAL')
    throw new Error(`${bytes.toString('hex')} ${said.toString('hex')}`, { cause: ends.at(-1) })
}

test('clients that say anything end their own session and nothing else', async () => {
  said = Buffer.concat([greeting, question, ok])
  for (const bytes of fuzzed([login, Buffer.concat([login, answer])], count, 31)) await visit(Buffer.from(bytes))
  expect([faults, transport.openLinks]).toEqual([[], 0])
}, 60_000)

test('backends that say anything end the session of their client and nothing else', async () => {
  const samples = [
    Buffer.concat([greeting, question, ok]),
    Buffer.concat([greeting, question, more, ok]),
    Buffer.concat([greeting, error]),
    encodePacket(0, encodeError({ number: 1040, sqlState: '08004', message: 'full' })),
  ]
  for (const bytes of fuzzed(samples, count, 32)) {
    said = Buffer.from(bytes)
    await visit(Buffer.concat([login, answer, answer]))
  }
  expect([faults, transport.openLinks]).toEqual([[], 0])
}, 60_000)
