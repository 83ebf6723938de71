import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { GatewayError } from '@proxy/kernel'
import { describe, expect, it } from 'vitest'
import { clientHello, maxClientHelloBytes } from './client-hello.ts'

const fixture = (name: string): Buffer => readFileSync(new URL(`__fixtures__/${name}.bin`, import.meta.url))

const clients = {
  openssl: { serverName: 'alpha.example.com', alpn: [] },
  'openssl-alpn': { serverName: 'db.example.com', alpn: ['postgresql'] },
  'openssl-tls12-no-sni': { serverName: undefined, alpn: [] },
  'curl-h2': { serverName: 'alpha.example.com', alpn: ['h2', 'http/1.1'] },
  node: { serverName: 'alpha.example.com', alpn: ['h2', 'http/1.1'] },
  'node-no-sni': { serverName: undefined, alpn: [] },
  python: { serverName: 'alpha.example.com', alpn: [] },
}

const names = Object.keys(clients) as (keyof typeof clients)[]

/** The handshake message out of a capture of one record. */
const messageOf = (capture: Buffer): Buffer => capture.subarray(5)

function record(payload: Uint8Array, type = 22): Buffer {
  return Buffer.concat([Buffer.from([type, 3, 1, payload.length >> 8, payload.length & 255]), payload])
}

function records(message: Buffer, sizes: readonly number[]): Buffer {
  const parts: Buffer[] = []
  let offset = 0
  for (const size of sizes) {
    if (offset < message.length) parts.push(record(message.subarray(offset, offset + size)))
    offset += size
  }
  if (offset < message.length) parts.push(record(message.subarray(offset)))
  return Buffer.concat(parts)
}

const vector8 = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.from([bytes.length]), bytes])
const vector16 = (bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes])
const extension = (type: number, body: Uint8Array): Buffer => Buffer.concat([Buffer.from([0, type]), vector16(body)])
const hostName = (name: string): Buffer => Buffer.concat([Buffer.from([0]), vector16(Buffer.from(name, 'latin1'))])
const serverName = (...entries: Buffer[]): Buffer => extension(0, vector16(Buffer.concat(entries)))
const alpn = (...protocols: string[]): Buffer =>
  extension(16, vector16(Buffer.concat(protocols.map((name) => vector8(Buffer.from(name))))))

interface Body {
  readonly sessionId?: Buffer
  readonly ciphers?: Buffer
  readonly compression?: Buffer
  readonly tail?: Buffer
}

function hello(extensions: readonly Buffer[] | undefined, body: Body = {}): Buffer {
  const { sessionId = Buffer.alloc(0), ciphers = Buffer.from([19, 1]), compression = Buffer.from([0]) } = body
  const parts = [Buffer.from([3, 3]), Buffer.alloc(32), vector8(sessionId), vector16(ciphers), vector8(compression)]
  if (extensions !== undefined) parts.push(vector16(Buffer.concat(extensions)))
  const content = Buffer.concat([...parts, body.tail ?? Buffer.alloc(0)])
  const header = Buffer.alloc(4)
  header.writeUInt32BE(content.length)
  header[0] = 1
  return Buffer.concat([header, content])
}

/** As the channel does: frame, then parse what the framer measured. */
function readAll(bytes: Buffer): ReturnType<typeof clientHello.parse> | undefined {
  const length = clientHello.framer(bytes)
  return length === 0 || length > bytes.length ? undefined : clientHello.parse(bytes.subarray(0, length))
}

describe.each(names)('the ClientHello of %s', (name) => {
  const capture = fixture(name)

  it('gives its server name and ALPN list', () => {
    expect(readAll(capture)).toEqual(clients[name])
  })

  it('is incomplete at every offset before its end, and measured as soon as that is possible', () => {
    for (let end = 0; end < capture.length; end++) {
      const length = clientHello.framer(capture.subarray(0, end))
      expect(length, `cut at ${end}`).toBe(end < 9 ? 0 : capture.length)
    }
  })

  it('reads the same when it is fragmented over two records at every offset', () => {
    const message = messageOf(capture)
    for (let size = 1; size < message.length; size++) {
      const bytes = records(message, [size])
      expect(readAll(bytes), `fragment of ${size}`).toEqual(clients[name])
      expect(readAll(bytes.subarray(0, bytes.length - 1))).toBeUndefined()
    }
  })

  it('leaves what follows it alone', () => {
    expect(clientHello.framer(Buffer.concat([capture, Buffer.from('early data')]))).toBe(capture.length)
  })
})

describe('clientHello', () => {
  it('reassembles any fragmentation, delivered in any pieces', () => {
    const message = messageOf(fixture('curl-h2'))
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 40 }), fc.nat(), (sizes, cut) => {
        const bytes = records(message, sizes)
        const end = cut % bytes.length
        const early = clientHello.framer(bytes.subarray(0, end))
        expect([0, bytes.length]).toContain(early)
        expect(readAll(bytes)).toEqual(clients['curl-h2'])
      }),
    )
  })

  it.each([
    ['ALPHA.Example.COM', 'alpha.example.com'],
    ['alpha.example.com.', 'alpha.example.com'],
    ['localhost', 'localhost'],
    ['_dmarc.x-1.example', '_dmarc.x-1.example'],
    ['127.0.0.1', '127.0.0.1'],
  ])('folds the server name %s', (sent, folded) => {
    expect(readAll(record(hello([serverName(hostName(sent))])))?.serverName).toBe(folded)
  })

  it('accepts a hello without extensions', () => {
    expect(readAll(record(hello(undefined)))).toEqual({ serverName: undefined, alpn: [] })
  })

  it.each<[string, Buffer]>([
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['an SSLv2 hello', Buffer.from([0x80, 0x2e, 1, 3, 1])],
    ['an alert', record(Buffer.from([1, 0]), 21)],
    ['an unknown major version', Buffer.from([22, 2, 0, 0, 1])],
    ['an empty record', record(Buffer.alloc(0))],
    ['a record over 16 KiB', Buffer.from([22, 3, 1, 0x40, 1])],
    ['another handshake message', record(Buffer.from([2, 0, 0, 4, 0, 0, 0, 0]))],
    ['a message over 16 KiB', record(Buffer.from([1, 0, 0x40, 0, 0]))],
    ['a second message in the record', record(Buffer.concat([hello([]), Buffer.from([1])]))],
    [
      'an alert between its records',
      Buffer.concat([record(hello([]).subarray(0, 10)), record(Buffer.from([1, 0]), 21)]),
    ],
    ['a hundred one-byte records', records(hello([extension(21, Buffer.alloc(200))]), Array<number>(100).fill(1))],
    ['two server name extensions', record(hello([serverName(hostName('a.test')), serverName(hostName('b.test'))]))],
    ['two server names', record(hello([serverName(hostName('a.test'), hostName('b.test'))]))],
    ['an empty server name list', record(hello([serverName()]))],
    ['an empty server name', record(hello([serverName(hostName(''))]))],
    ['a server name of dots', record(hello([serverName(hostName('..'))]))],
    ['a server name with a NUL', record(hello([serverName(hostName('a.test\0.b.test'))]))],
    ['a server name with a path', record(hello([serverName(hostName('../etc'))]))],
    ['a server name with a newline', record(hello([serverName(hostName('a\r\nb'))]))],
    ['a server name of 256 bytes', record(hello([serverName(hostName('a.'.repeat(127) + 'bb'))]))],
    ['a server name of another type', record(hello([extension(0, vector16(Buffer.from([1, 0, 1, 97])))]))],
    [
      'bytes behind the server name list',
      record(hello([extension(0, Buffer.concat([vector16(hostName('a')), Buffer.from([0])]))])),
    ],
    ['an empty ALPN list', record(hello([alpn()]))],
    ['an empty ALPN name', record(hello([alpn('h2', '')]))],
    ['bytes behind the extensions', record(hello([], { tail: Buffer.from([0]) }))],
    ['an extension that is longer than its list', record(hello([Buffer.from([0, 16, 0, 9, 0])]))],
    ['a session id of 33 bytes', record(hello([], { sessionId: Buffer.alloc(33) }))],
    ['no cipher suites', record(hello([], { ciphers: Buffer.alloc(0) }))],
    ['half a cipher suite', record(hello([], { ciphers: Buffer.alloc(3) }))],
    ['no compression method', record(hello([], { compression: Buffer.alloc(0) }))],
  ])('refuses %s', (_, bytes) => {
    expect(() => readAll(bytes)).toThrow(expect.objectContaining({ code: 'PROXY_TLS_HANDSHAKE' }))
  })

  it('refuses a truncated message instead of routing by the half that is there', () => {
    const message = messageOf(fixture('openssl'))
    for (let end = 0; end < message.length; end++) {
      expect(() => clientHello.parse(record(message.subarray(0, end)))).toThrow(GatewayError)
    }
  })

  it('answers garbage with its own error or asks for more, never beyond its bound', () => {
    const seeds = names.map((name) => fixture(name))
    const mutated = fc
      .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }))
      .map(([seed, edits]) => {
        const bytes = Buffer.from(seed)
        for (const [at, value] of edits) bytes[at % bytes.length] = value
        return bytes
      })
    const garbage = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes))
    fc.assert(fc.property(fc.oneof(mutated, garbage), onlyGatewayErrors), { numRuns: 3000 })
  })
})

function onlyGatewayErrors(bytes: Buffer): void {
  try {
    expect(clientHello.framer(bytes)).toBeLessThanOrEqual(maxClientHelloBytes)
    const found = readAll(bytes)
    if (found?.serverName !== undefined) expect(found.serverName).toMatch(/^[a-z0-9_.-]+$/)
  } catch (error) {
    if (!GatewayError.is(error)) throw error
    expect(error.code).toBe('PROXY_TLS_HANDSHAKE')
  }
}
