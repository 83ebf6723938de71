import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type Peer, type ProtocolFixture, protocolConformance } from '@proxy/testkit'
import { postgres } from './postgres.ts'
import { encodeStartup, parseStartup } from './startup-message.ts'
import { clientMessageFramer, encodeFatal, encodeRequest, errorField, requestCodes } from './wire.ts'

const v3 = 3 << 16
const startup = (parameters: Record<string, string>): Buffer => encodeStartup(v3, Object.entries(parameters))

function message(type: string, body: string): Buffer {
  const head = Buffer.alloc(5)
  head.write(type, 'latin1')
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, Buffer.from(body, 'latin1')])
}

const ready = message('Z', 'I')
const login = Buffer.concat([
  message('R', '\0\0\0\0'),
  message('S', 'server_version\x0018\0'),
  message('K', '\0\0\0\x07abcd'),
  ready,
])

/** A backend that reads a startup packet and answers the rest in turns. */
function serving(opening: Buffer, turns: readonly [answer: Buffer, heard: number][] = []) {
  return async (backend: Peer): Promise<void> => {
    try {
      await backend.take(opening.length)
      for (const [answer, heard] of turns) {
        backend.write(answer)
        await backend.take(heard)
      }
      backend.write(login)
    } catch {
      // The client of this check has left in the middle.
    }
  }
}

const plain = (name: string, opening: Buffer, key: string, backend: Buffer = opening): ProtocolFixture => ({
  name,
  client: opening,
  key,
  attributes: { user: parseStartup(opening).user },
  backend,
  serve: serving(backend),
  established: ready,
})

/** Asks for encryption first, and goes on without. */
function declined(name: string, code: number, key: string): ProtocolFixture {
  const opening = startup({ user: 'app', database: key })
  return {
    ...plain(name, opening, key),
    async client(client) {
      client.write(encodeRequest(code))
      await client.receives('N')
      client.write(opening)
    },
  }
}

function scram(key: string): ProtocolFixture {
  const opening = startup({ user: 'app', database: key })
  const offer = message('R', '\0\0\0\x0aSCRAM-SHA-256\0\0')
  const challenge = message('R', '\0\0\0\x0br=abc,s=def,i=4096')
  const [first, last] = [message('p', 'SCRAM-SHA-256\0\0\0\0\x06n,,n=,'), message('p', 'c=biws,r=abc,p=xyz')]
  return {
    ...plain('SCRAM', opening, key, opening),
    async client(client) {
      client.write(opening)
      await client.receives(offer)
      client.write(first)
      await client.receives(challenge)
      client.write(last)
    },
    backend: Buffer.concat([opening, first, last]),
    serve: serving(opening, [
      [offer, first.length],
      [challenge, last.length],
    ]),
  }
}

const captured = readFileSync(new URL('__fixtures__/pg.client.bin', import.meta.url))
const options = startup({ user: 'app', database: 'shop', options: '-c work_mem=8MB -c tenant=gamma' })

/** Takes the probe's startup packet and says one thing. */
const answering =
  (answer: Buffer) =>
  async (backend: Peer): Promise<void> => {
    try {
      await backend.take((await backend.take(4)).readUInt32BE(0) - 4)
      backend.write(answer)
    } catch {
      // The probe has been given up.
    }
  }

const fatal = (code: string): ((backend: Peer) => Promise<void>) => answering(encodeFatal({ code, message: 'sorry' }))

protocolConformance({
  protocol: () => postgres(),
  fixtures: [
    plain('pg', captured.subarray(0, captured.readUInt32BE(0)), 'alpha'),
    plain('no database', startup({ user: 'beta' }), 'beta'),
    plain('options', options, 'gamma', startup({ user: 'app', database: 'shop', options: '-c work_mem=8MB' })),
    declined('SSLRequest', requestCodes.ssl, 'delta'),
    declined('GSSENCRequest', requestCodes.gssenc, 'epsilon'),
    scram('zeta'),
  ],
  refusal(bytes, code) {
    if (code === 'PROXY_TLS_HANDSHAKE' || code === 'PROXY_PROXY_HEADER') return assert.equal(bytes.length, 0)
    assert.equal(clientMessageFramer(bytes), bytes.length)
    for (const field of ['S', 'V', 'C', 'M']) assert.ok(errorField(bytes, field), `field ${field}`)
  },
  secure: {
    command: encodeRequest(requestCodes.ssl),
    goAhead: 'S',
    fixture: plain('within TLS', startup({ user: 'app', database: 'eta' }), 'eta'),
  },
  ready: {
    serving: answering(message('R', '\0\0\0\x0aSCRAM-SHA-256\0\0')),
    notReady: {
      'is starting': fatal('57P03'),
      'is shut down': fatal('57P01'),
      'is recovering from a crash': fatal('57P02'),
      'cannot fork': answering(Buffer.from('Ecould not fork new process\n\0')),
    },
  },
  oversize: [Buffer.of(0, 0, 0x27, 0x10), Buffer.of(0, 0, 0x27, 0x11), Buffer.of(0x16, 3, 1, 0x40, 0), Buffer.alloc(0)],
})
