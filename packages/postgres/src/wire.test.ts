import { readFileSync } from 'node:fs'
import { type Framer, GatewayError } from '@proxy/kernel'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  backendRunFramer,
  choosesChannelBinding,
  clientMessageFramer,
  eachMessage,
  encodeCancelRequest,
  encodeFatal,
  encodeRequest,
  endsIdle,
  errorField,
  isReady,
  lastMessage,
  maxStartupBytes,
  openingFramer,
  packetCode,
  packetFramer,
  parseBackendKeyData,
  parseCancelRequest,
  replaceBackendKeyData,
  requestCodes,
  withHint,
  withoutChannelBinding,
} from './wire.ts'

const fixture = (name: string): Buffer => readFileSync(new URL(`__fixtures__/${name}.bin`, import.meta.url))

/** What a server said, behind its answer to an SSLRequest. */
function serverFixture(name: string): Buffer {
  const bytes = fixture(`${name}.server`)
  return bytes[0] === 0x4e ? bytes.subarray(1) : bytes
}

const sessions = ['psql', 'psql-libpq18', 'psql-replication', 'psql-unknown-database', 'pgbench', 'pg', 'postgres-js']

/** The units that a channel would read when the bytes come in these pieces. */
function unitsOf(framer: Framer, pieces: readonly Buffer[], upTo: number): Buffer[] {
  const units: Buffer[] = []
  let have = Buffer.alloc(0)
  for (const piece of pieces) {
    have = Buffer.concat([have, piece])
    while (units.length < upTo && have.length > 0) {
      const length = framer(have)
      if (length === 0 || length > have.length) break
      units.push(have.subarray(0, length))
      have = have.subarray(length)
    }
  }
  return units
}

function message(type: string, body: Buffer | string): Buffer {
  const head = Buffer.alloc(5)
  head.write(type, 'latin1')
  head.writeUInt32BE(Buffer.byteLength(body) + 4, 1)
  return Buffer.concat([head, Buffer.from(body)])
}

const startupOf = (bytes: Buffer): Buffer => {
  const skip = packetCode(bytes) === requestCodes.ssl ? 8 : 0
  return bytes.subarray(skip, skip + bytes.readUInt32BE(skip))
}

describe('packets that open a connection', () => {
  test.each([...sessions, 'psql-cancel', 'psql-libpq18-cancel'])('%s, cut at every byte', (name) => {
    const bytes = fixture(`${name}.client`)
    const startup = startupOf(bytes)
    const head = bytes.subarray(0, bytes.indexOf(startup) + startup.length)
    const whole = unitsOf(packetFramer, [head], Number.POSITIVE_INFINITY)
    expect(Buffer.concat(whole)).toEqual(head)
    for (let cut = 0; cut <= head.length; cut++) {
      const cutUnits = unitsOf(packetFramer, [head.subarray(0, cut), head.subarray(cut)], whole.length)
      expect(cutUnits).toEqual(whole)
    }
  })

  test('a TLS handshake is told by its first byte', () => {
    const bytes = fixture('psql-direct-tls.client')
    expect(openingFramer(bytes)).toBe(1)
    expect(() => packetFramer(bytes)).toThrow(GatewayError)
  })

  test('the cap stands before anything is collected', () => {
    const packet = Buffer.alloc(4)
    packet.writeUInt32BE(maxStartupBytes)
    expect(packetFramer(packet)).toBe(maxStartupBytes)
    packet.writeUInt32BE(maxStartupBytes + 1)
    expect(() => packetFramer(packet)).toThrow('invalid length')
    packet.writeUInt32BE(7)
    expect(() => packetFramer(packet)).toThrow('invalid length')
  })

  test('garbage is refused with its first byte', () => {
    expect(() => packetFramer(Buffer.from('G'))).toThrow('invalid length')
  })

  test('whatever comes, the framer asks for more within the cap or throws an error of ours', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        for (const framer of [packetFramer, openingFramer, clientMessageFramer, backendRunFramer]) {
          const length = attempt(() => framer(Buffer.from(bytes)))
          if (length !== undefined) expect(length).toBeLessThanOrEqual(70_000)
        }
      }),
    )
  })
})

function attempt<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    expect(GatewayError.is(error)).toBe(true)
    return undefined
  }
}

describe('messages of the backend', () => {
  test.each(sessions)('%s: cut at every byte, the same messages come', (name) => {
    const bytes = serverFixture(name)
    const login = bytes.subarray(0, endOfLogin(bytes))
    const expected = messagesOf([login])
    expect(Buffer.concat(expected)).toEqual(login)
    for (let cut = 0; cut <= login.length; cut++) {
      expect(messagesOf([login.subarray(0, cut), login.subarray(cut)])).toEqual(expected)
    }
  })

  test.each(sessions)('%s: byte by byte, the same messages come', (name) => {
    const bytes = serverFixture(name)
    const login = bytes.subarray(0, endOfLogin(bytes))
    const single = Array.from(login, (byte) => Buffer.of(byte))
    expect(messagesOf(single)).toEqual(messagesOf([login]))
  })

  test('a run ends where the client has to answer', () => {
    const sasl = message('R', Buffer.from('\0\0\0\x0aSCRAM-SHA-256\0\0'))
    const run = Buffer.concat([message('v', 'abcd'), sasl, message('S', 'more')])
    expect(backendRunFramer(run)).toBe(9 + sasl.length)
  })

  test('a run goes on behind AuthenticationOk, and stops before ReadyForQuery', () => {
    const ok = message('R', Buffer.alloc(4))
    const status = message('S', 'a\0b\0')
    const ready = message('Z', 'I')
    const run = Buffer.concat([ok, status, ready])
    expect(backendRunFramer(run)).toBe(ok.length + status.length)
    expect(lastMessage(run.subarray(0, ok.length + status.length))).toBe(ok.length)
    expect(isReady(ready)).toBe(true)
    expect(backendRunFramer(ready)).toBe(ready.length)
  })

  test('an incomplete message waits for its rest, what is before it does not', () => {
    const status = message('S', 'a\0b\0')
    expect(backendRunFramer(status.subarray(0, 4))).toBe(0)
    expect(backendRunFramer(status.subarray(0, 6))).toBe(status.length)
    expect(backendRunFramer(Buffer.concat([status, status.subarray(0, 3)]))).toBe(status.length)
    expect(backendRunFramer(Buffer.concat([status, status.subarray(0, 6)]))).toBe(status.length)
  })

  test('an error without length, as of a server that cannot fork, is left to the relay', () => {
    const run = Buffer.from('Ecould not fork new process for connection\n\0')
    expect(backendRunFramer(run)).toBe(1)
  })

  test('of such an error the type alone is a message', () => {
    const run = Buffer.from('E')
    const seen: Buffer[] = []
    eachMessage(run, (message) => void seen.push(message))
    expect(seen).toEqual([run])
    expect(lastMessage(run)).toBe(0)
  })

  test('what is no PostgreSQL is refused', () => {
    expect(() => backendRunFramer(Buffer.from('HTTP/1.1 400 Bad Request'))).toThrow(
      expect.objectContaining({ code: 'PROXY_BACKEND_PROTOCOL' }),
    )
  })
})

function endOfLogin(bytes: Buffer): number {
  const ready = bytes.indexOf(Buffer.from('Z\0\0\0\x05I', 'latin1'))
  return ready < 0 ? bytes.length : ready + 6
}

function messagesOf(pieces: readonly Buffer[]): Buffer[] {
  const messages: Buffer[] = []
  for (const run of unitsOf(backendRunFramer, pieces, Number.POSITIVE_INFINITY)) {
    eachMessage(run, (one) => messages.push(one))
  }
  return messages
}

describe('cancel keys', () => {
  test('the keys of protocol 3.0 and 3.2 come back in the cancel requests of libpq', () => {
    expect(parseCancelRequest(fixture('psql-cancel.client'))?.secret).toHaveLength(4)
    expect(parseCancelRequest(fixture('psql-libpq18-cancel.client'))?.secret).toHaveLength(32)
  })

  test('are read, replaced and written in every length', () => {
    const secrets = fc.uint8Array({ minLength: 4, maxLength: 256 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), secrets, (pid, bytes) => {
        const secret = Buffer.from(bytes)
        const data = message('K', Buffer.alloc(4 + secret.length))
        replaceBackendKeyData(data, { pid, secret })
        expect(parseBackendKeyData(data)).toEqual({ pid, secret })
        expect(parseCancelRequest(encodeCancelRequest({ pid, secret }))).toEqual({ pid, secret })
      }),
    )
  })

  test.each([3, 257])('a secret of %d bytes is none', (length) => {
    expect(() => parseBackendKeyData(message('K', Buffer.alloc(4 + length)))).toThrow(GatewayError)
    expect(parseCancelRequest(Buffer.alloc(12 + length))).toBeUndefined()
  })
})

describe('SASL', () => {
  const offer = message('R', Buffer.from('\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0'))

  test('the offer of channel binding is taken out, and nothing else', () => {
    expect(withoutChannelBinding(offer)).toEqual(message('R', Buffer.from('\0\0\0\x0aSCRAM-SHA-256\0\0')))
    const plain = message('R', Buffer.from('\0\0\0\x0aSCRAM-SHA-256\0\0'))
    expect(withoutChannelBinding(plain)).toBe(plain)
  })

  test('the choice of the client is seen', () => {
    expect(choosesChannelBinding(message('p', 'SCRAM-SHA-256-PLUS\0\0\0\0\x01p'))).toBe(true)
    expect(choosesChannelBinding(message('p', 'SCRAM-SHA-256\0\0\0\0\x01n'))).toBe(false)
  })
})

describe('errors', () => {
  test('carry severity, code, message and hint', () => {
    const error = encodeFatal({ code: '3D000', message: 'no such tenant', hint: 'look again' })
    expect(['S', 'V', 'C', 'M', 'H', 'D'].map((name) => errorField(error, name))).toEqual([
      'FATAL',
      'FATAL',
      '3D000',
      'no such tenant',
      'look again',
      undefined,
    ])
    expect(clientMessageFramer(error)).toBe(error.length)
  })

  test('a NUL in a text does not end the field before its time', () => {
    expect(errorField(encodeFatal({ code: 'XX000', message: 'a\0Cb' }), 'C')).toBe('XX000')
  })

  test('a hint is added, not replaced', () => {
    const real = serverFixture('psql-unknown-database')
    const error = real.subarray(real.lastIndexOf('E\0'))
    const hinted = withHint(error, 'advice')
    expect(errorField(hinted, 'H')).toBe('advice')
    expect(errorField(hinted, 'C')).toBe('3D000')
    expect(clientMessageFramer(hinted)).toBe(hinted.length)
    expect(withHint(hinted, 'other')).toBe(hinted)
  })

  test('fields of garbage are looked for in bounds', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (body) => {
        const error = message('E', Buffer.from(body))
        errorField(error, 'C')
        withHint(error, 'advice')
      }),
    )
  })
})

test('an idle session is told by the end of what the backend sent', () => {
  expect(endsIdle(message('Z', 'I'))).toBe(true)
  expect(endsIdle(Buffer.concat([Buffer.alloc(10), message('Z', 'I')]))).toBe(true)
  expect(endsIdle(message('Z', 'T'))).toBe(false)
  expect(endsIdle(Buffer.alloc(0))).toBe(false)
})

test('requests without a body', () => {
  expect(encodeRequest(requestCodes.ssl)).toEqual(fixture('psql.client').subarray(0, 8))
})
