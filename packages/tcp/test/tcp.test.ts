import { once } from 'node:events'
import { echo, type TcpBackend, tcpBackend } from '@proxy/test-servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Extract, tcp } from '../src/index.ts'
import { client, drain, setting } from './setting.ts'

/** `tenant:` and then whatever. */
const tenantLine: Extract = (bytes) => {
  const colon = bytes.indexOf(':')
  if (colon === -1 && bytes.length > 32) throw new Error('no colon')
  return colon === -1 ? undefined : { key: bytes.toString('latin1', 0, colon), attributes: { from: 'line' } }
}

describe('tcp', () => {
  let alpha: TcpBackend
  let beta: TcpBackend

  beforeAll(async () => {
    alpha = await tcpBackend(echo)
    beta = await tcpBackend((socket) => {
      socket.write('beta says: ')
      echo(socket)
    })
  })

  afterAll(async () => {
    await alpha.close()
    await beta.close()
  })

  const routes = () => ({ alpha: alpha.endpoint, beta: beta.endpoint })

  describe('by port', () => {
    it('routes every connection to the key of its listener', async () => {
      const { address, requests, ended } = await setting({ protocol: tcp({ key: 'alpha' }) }, routes())
      const end = ended()
      const socket = client(address)
      socket.end('hello')
      expect((await drain(socket)).toString()).toBe('hello')
      expect(requests).toMatchObject([{ key: 'alpha', protocol: 'tcp' }])
      expect(await end).toMatchObject({ outcome: 'relayed', reason: 'client', key: 'alpha', error: undefined })
    })

    it('lets the server speak first', async () => {
      const { address } = await setting({ protocol: tcp({ name: 'nats', key: 'beta' }) }, routes())
      const [greeting] = (await once(client(address), 'data')) as [Buffer]
      expect(greeting.toString()).toBe('beta says: ')
    })

    it('dials the port of the named protocol where the endpoint has none', async () => {
      const { address, ended } = await setting(
        { protocol: tcp({ name: 'redis', key: 'alpha' }) },
        { alpha: '127.0.0.1' },
        { connectTimeoutMs: 200, guard: { ports: [1] } },
      )
      const end = ended()
      expect((await drain(client(address))).toString()).toMatch(/^-ERR .*\r\n$/)
      expect((await end).error?.code).toMatch(/^PROXY_DIAL_/)
    })
  })

  describe('by first bytes', () => {
    it('routes by what the extractor finds, and the backend gets every byte', async () => {
      const { address, requests } = await setting({ protocol: tcp({ extract: tenantLine }) }, routes())
      const socket = client(address)
      socket.end('beta:payload')
      expect((await drain(socket)).toString()).toBe('beta says: beta:payload')
      expect(requests[0]).toMatchObject({ key: 'beta', attributes: { from: 'line' } })
    })

    it('waits for the rest of a key that is cut anywhere', async () => {
      const { address, requests } = await setting({ protocol: tcp({ extract: tenantLine }) }, routes())
      for (const cut of [1, 3, 5, 6]) {
        const socket = client(address)
        const opening = 'alpha:12'
        socket.write(opening.slice(0, cut))
        await new Promise((resolve) => setImmediate(resolve))
        socket.end(opening.slice(cut))
        expect((await drain(socket)).toString()).toBe(opening)
      }
      expect(requests.map(({ key }) => key)).toEqual(['alpha', 'alpha', 'alpha', 'alpha'])
    })

    it.each([
      ['what is no opening', { extract: tenantLine }, 'x'.repeat(40), 'PROXY_MALFORMED'],
      ['an empty key', { extract: tenantLine }, ':rest', 'PROXY_NO_KEY'],
      ['an unknown key', { extract: tenantLine }, 'gamma:', 'PROXY_RESOLVE_NOT_FOUND'],
      [
        'an opening that never comes to its key',
        { extract: () => undefined },
        'x'.repeat(70_000),
        'PROXY_PEEK_OVERFLOW',
      ],
    ])('closes on %s', async (_, options, bytes, code) => {
      const { address, ended } = await setting({ protocol: tcp(options) }, routes())
      const end = ended()
      const socket = client(address)
      socket.write(bytes)
      expect((await drain(socket)).length).toBe(0)
      expect(await end).toMatchObject({ outcome: 'refused', error: { code } })
    })

    it('ends a silent client at the deadline', async () => {
      const listener = { protocol: tcp({ extract: tenantLine }), limits: { handshakeTimeoutMs: 50 } }
      const { address, ended } = await setting(listener, routes())
      const end = ended()
      await drain(client(address))
      expect(await end).toMatchObject({ reason: 'handshake_timeout', error: { code: 'PROXY_PEEK_TIMEOUT' } })
    })

    it('shares a port between protocols', async () => {
      const byLine = tcp({ extract: tenantLine })
      const byByte = tcp({ key: 'beta', detect: (prefix) => prefix[0] === 0x42 })
      const { address, requests } = await setting({ protocol: [byByte, byLine] }, routes())
      for (const opening of ['B', 'alpha:']) {
        const socket = client(address)
        socket.end(opening)
        await drain(socket)
      }
      expect(requests.map(({ key }) => key)).toEqual(['beta', 'alpha'])
    })
  })

  describe('transform', () => {
    it('changes the first message, whatever it comes in, and nothing else', async () => {
      const transform = {
        frame: (bytes: Buffer) => bytes.indexOf('\n') + 1,
        apply: (message: Buffer, { metadata }: { metadata: object }) =>
          Buffer.from(`${message.toString().trim()}!${JSON.stringify(metadata)}\n`),
      }
      const protocol = tcp({ extract: tenantLine, transform })
      const { address } = await setting({ protocol }, { alpha: { endpoint: alpha.endpoint, metadata: { plan: 1 } } })
      const socket = client(address)
      socket.write('alpha:first')
      await new Promise((resolve) => setImmediate(resolve))
      socket.end('\nsecond\n')
      expect((await drain(socket)).toString()).toBe('alpha:first!{"plan":1}\nsecond\n')
    })
  })

  it('ends an idle connection when told to', async () => {
    const { address, ended } = await setting({ protocol: tcp({ key: 'alpha', idleTimeoutMs: 50 }) }, routes())
    const end = ended()
    await drain(client(address))
    expect(await end).toMatchObject({ reason: 'idle_timeout' })
  })

  it('does not relay in plain what the resolver wants encrypted in-band', async () => {
    const route = { alpha: { endpoint: alpha.endpoint, tls: 'negotiated' } }
    const { address, ended } = await setting({ protocol: tcp({ key: 'alpha' }) }, route)
    const end = ended()
    await drain(client(address))
    expect(await end).toMatchObject({ error: { code: 'PROXY_BACKEND_TLS' } })
  })

  it.each([
    ['redis', '-ERR no such tenant\r\n'],
    ['memcached', 'SERVER_ERROR no such tenant\r\n'],
    ['kafka', ''],
  ])('%s clients are refused in their own words', async (name, expected) => {
    const { address } = await setting({ protocol: tcp({ name, key: 'gamma' }) }, routes())
    expect((await drain(client(address))).toString()).toBe(expected)
  })
})

describe('the options of tcp', () => {
  it.each([
    [{ name: 'gopher' }, /'gopher' is not the name of a protocol/],
    [{ name: 'ftp', extract: tenantLine }, /extract does not go with ftp, whose server speaks first/],
    [{ name: 'mysql', detect: () => true }, /detect does not go with mysql/],
    [
      { name: 'nats', transform: { frame: () => 0, apply: (bytes: Buffer) => bytes } },
      /transform does not go with nats/,
    ],
    [{ key: '' }, /key is empty/],
    [{ key: 'a', extract: tenantLine }, /exclude each other/],
  ])('%o are refused at once', (options, message) => {
    expect(() => tcp(options)).toThrow(
      expect.objectContaining({ code: 'PROXY_CONFIG_INVALID', message: expect.stringMatching(message) }),
    )
  })
})
