import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type Peer, type ProtocolFixture, protocolConformance } from '@proxy/testkit'
import { agreed, capabilities, offered } from './capabilities.ts'
import { encodeGreeting } from './greeting.ts'
import { encodeLogin, encodeSslRequest, type LoginPacket, parseLogin } from './login.ts'
import { mysql } from './mysql.ts'
import type { MysqlOptions } from './options.ts'
import { encodeAuthSwitch, encodeError, encodePacket, okPayload, unknownPlugin } from './wire.ts'

const captured = (name: string): Buffer => readFileSync(new URL(`__fixtures__/${name}.bin`, import.meta.url))

const backendFlags = offered(['deprecateEof', 'sessionTrack'], true)
const greeting = encodePacket(
  0,
  encodeGreeting({
    version: '10.11.6-MariaDB',
    connectionId: 42,
    flags: backendFlags,
    scramble: Buffer.from('abcdefghijklmnopqrst'),
    plugin: 'mysql_native_password',
  }),
)
const ok = (sequence: number): Buffer => encodePacket(sequence, okPayload)

/** What the backend is told of a login: no answer, and a plugin that it cannot know. */
function retold(packet: Buffer, change: Partial<LoginPacket> = {}): Buffer {
  const login = { ...parseLogin(packet.subarray(4)), ...change }
  const flags = agreed(login.flags, [], backendFlags)
  return encodePacket(1, encodeLogin({ ...login, flags, response: Buffer.alloc(0), plugin: unknownPlugin }))
}

/** A backend that greets, hears so much and says what is next, in turns. */
function serving(...turns: readonly [heard: Buffer, answer: Buffer][]) {
  return async (backend: Peer): Promise<void> => {
    backend.write(greeting)
    try {
      for (const [heard, answer] of turns) {
        await backend.take(heard.length)
        backend.write(answer)
      }
    } catch {
      // The client of this check has left in the middle.
    }
  }
}

function plain(name: string, packet: Buffer, key: string, backend: Buffer = retold(packet)): ProtocolFixture {
  return {
    name,
    client: packet,
    key,
    attributes: { user: parseLogin(packet.subarray(4)).user },
    backend,
    serve: serving([backend, ok(2)]),
    established: ok(2),
  }
}

function made(login: Partial<LoginPacket>, sequence = 1): Buffer {
  const flags = offered([], false)
  const empty = { flags, maxPacket: 1 << 24, charset: 45, user: 'app', response: Buffer.alloc(20, 1), plugin: '' }
  return encodePacket(sequence, encodeLogin({ ...empty, database: undefined, attributes: undefined, ...login }))
}

/** The backend asks by its own scramble, and the client answers that. */
function switched(client: string, key: string): ProtocolFixture {
  const login = made({ ...parseLogin(captured(`${client}.login`).subarray(4)), database: key })
  const question = encodeAuthSwitch('mysql_native_password', Buffer.from('ABCDEFGHIJKLMNOPQRST'))
  const answer = captured(`${client}.answer`)
  const told = retold(login)
  return {
    ...plain(`${client}, asked again`, login, key),
    async client(peer) {
      peer.write(login)
      await peer.receives(encodePacket(2, question))
      peer.write(answer)
    },
    backend: Buffer.concat([told, answer]),
    serve: serving([told, encodePacket(2, question)], [answer, ok(4)]),
    established: ok(4),
  }
}

const options: MysqlOptions = { keys: ['database', 'user'], defaultKey: 'theta' }
const userLogin = made({ user: 'gamma.app' })
const sslLogin = made({ database: 'eta', flags: offered([], true) }, 2)

protocolConformance({
  protocol: () => mysql(options),
  fixtures: [
    plain('the mariadb program', captured('cli.login'), 'alpha'),
    plain('mysql2', made({ ...parseLogin(captured('mysql2.login').subarray(4)), database: 'beta' }), 'beta'),
    plain('user', userLogin, 'gamma', retold(userLogin, { user: 'app' })),
    plain('neither', made({ user: 'app' }), 'theta'),
    switched('mariadb', 'delta'),
    switched('cli', 'epsilon'),
  ],
  refusal(bytes, code) {
    const packets = [...packetsIn(bytes)]
    const last = packets.at(-1)
    if (packets.length > 1) assert.equal(packets[0]!.payload[0], 10, 'the greeting')
    if (code === 'PROXY_TLS_HANDSHAKE' || code === 'PROXY_PROXY_HEADER') return assert.ok(packets.length < 2)
    assert.ok(last !== undefined && last.payload[0] === 0xff, 'an ERR packet')
    assert.match(last.payload.toString('latin1', 3, 9), /^#[0-9A-Z]{5}$/)
    assert.ok(last.payload.length > 12, 'a message')
    assert.ok([0, 2].includes(last.sequence), 'numbered behind what the client sent last')
  },
  secure: {
    command: encodePacket(1, encodeSslRequest({ flags: offered([], true), maxPacket: 1 << 24, charset: 45 })),
    goAhead: 'mysql_native_password\0',
    fixture: {
      ...plain('within TLS', sslLogin, 'eta', Buffer.concat([retold(sslLogin, { flags: withoutTls(sslLogin) })])),
      established: ok(3),
    },
  },
  more: encodePacket(0, Buffer.of(0x0e)),
  ready: {
    serving: deciding(encodeAuthSwitch('client_ed25519', Buffer.alloc(32, 1)), error(1045)),
    notReady: {
      'is shutting down': (backend) => void backend.write(encodePacket(0, error(1053))),
      'has shut us out': (backend) => void backend.write(encodePacket(0, error(1129))),
      'shuts down meanwhile': deciding(error(1053)),
    },
  },
  late: ok(1),
  oversize: [
    Buffer.of(0xff, 0xff, 0xff, 1),
    Buffer.of(0x01, 0x00, 0x10, 1),
    Buffer.of(0x00, 0x00, 0x10, 1),
    Buffer.alloc(0),
  ],
})

/** Greets, and says one thing after the other in answer to what it is told. */
function deciding(...answers: readonly Buffer[]) {
  return async (backend: Peer): Promise<void> => {
    backend.write(greeting)
    try {
      let sequence = 1
      for (const answer of answers) {
        const head = await backend.take(4)
        await backend.take(head.readUIntLE(0, 3))
        backend.write(encodePacket(sequence + 1, answer))
        sequence += 2
      }
    } catch {
      // The probe has been given up.
    }
  }
}

function error(number: number): Buffer {
  return encodeError({ number, sqlState: '08004', message: 'sorry' })
}

function withoutTls(packet: Buffer): number {
  return parseLogin(packet.subarray(4)).flags & ~capabilities.ssl
}

function* packetsIn(bytes: Buffer): Generator<{ sequence: number; payload: Buffer }> {
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUIntLE(at, 3)
    assert.ok(end <= bytes.length, 'a whole packet')
    yield { sequence: bytes[at + 3]!, payload: bytes.subarray(at + 4, end) }
    at = end
  }
}
