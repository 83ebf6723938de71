import { once } from 'node:events'
import net from 'node:net'
import { type PostgresServer, postgresServer } from '@proxy/test-servers'
import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeStartup } from '../src/startup-message.ts'
import { encodeRequest, errorField, requestCodes } from '../src/wire.ts'
import { exchange } from './raw.ts'
import { openGateway, type TestGateway, to } from './setup.ts'

let server: PostgresServer
let gateway: TestGateway
const faults: unknown[] = []

beforeAll(async () => {
  server = await postgresServer({ databases: ['alpha'] })
  gateway = await openGateway(to(server), { listener: { limits: { handshakeTimeoutMs: 500 } } })
  gateway.gateway.hooks.on('gateway:error', ({ error }) => faults.push(error))
})

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await server.stop()
  expect(faults).toEqual([])
})

const v3 = 3 << 16
const startup = encodeStartup(v3, [
  ['user', 'demo'],
  ['database', 'alpha'],
])

async function expectGoodTraffic(): Promise<void> {
  const client = new pg.Client(server.url('alpha', { port: gateway.port }))
  await client.connect()
  expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  await client.end()
}

function packet(length: number, code: number, body = ''): Buffer {
  const bytes = Buffer.alloc(8 + Buffer.byteLength(body))
  bytes.writeUInt32BE(length, 0)
  bytes.writeUInt32BE(code, 4)
  bytes.write(body, 8)
  return bytes
}

describe('each gets an error of its own', () => {
  test.each<[string, Buffer, string]>([
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), '08P01'],
    ['a packet over the cap', packet(10_001, v3), '08P01'],
    ['a packet that is too short', packet(7, v3), '08P01'],
    ['protocol 2', packet(8, 2 << 16), '0A000'],
    ['no terminator', packet(13, v3, 'user\0'), '08P01'],
    ['no user', packet(9, v3, '\0'), '08P01'],
    ['an SSLRequest with a body', packet(9, requestCodes.ssl, '\0'), '08P01'],
    [
      'a message with an impossible length',
      Buffer.concat([startup, Buffer.from('p\xff\xff\xff\xff', 'latin1')]),
      '08P01',
    ],
  ])('%s', async (_, bytes, code) => {
    const answer = await exchange(gateway.port, bytes)
    expect(errorField(answer.subarray(errorAt(answer)), 'C')).toBe(code)
    await expectGoodTraffic()
  })
})

/** Where the gateway's ErrorResponse begins, behind what the backend said. */
const errorAt = (answer: Buffer): number => answer.indexOf('SFATAL\0') - 5

describe('half a handshake', () => {
  test.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['half a packet', startup.subarray(0, 12)],
    ['half a packet behind GSSENCRequest', encodeRequest(requestCodes.gssenc)],
    ['no answer to the backend', startup],
  ])('%s is ended by the deadline, with an error', async (_, bytes) => {
    const answer = await exchange(gateway.port, bytes)
    expect(errorField(answer.subarray(errorAt(answer)), 'C')).toBe('08P01')
  })

  test('clients that leave, at every byte', async () => {
    for (let cut = 0; cut <= startup.length; cut += 3) {
      const socket = net.connect(gateway.port, '127.0.0.1')
      socket.end(startup.subarray(0, cut))
      socket.resume()
      await once(socket, 'close')
    }
    await expectGoodTraffic()
  })
})

test('random bytes', async () => {
  const bytes = fc.uint8Array({ minLength: 8, maxLength: 200 })
  const head = fc.constantFrom(Buffer.alloc(0), startup, encodeRequest(requestCodes.ssl), packet(100, v3))
  await fc.assert(
    fc.asyncProperty(head, bytes, async (known, unknown) => {
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

test('a backend that is none', async () => {
  const http = net.createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'))
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const { port } = http.address() as net.AddressInfo
  await using wrong = await openGateway(() => `127.0.0.1:${port}`)
  const answer = await exchange(wrong.port, startup)
  expect(errorField(answer, 'C')).toBe('08006')
  expect(answer.toString('latin1')).not.toContain(String(port))
  http.close()
})
