import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { describeNeeding, type Leaf, tcpBackend } from '@proxy/test-servers'
import type { Address, SessionEndEvent } from '@proxy/kernel'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { IdentityTable } from '../src/identity-table.ts'
import { tls } from '../src/index.ts'
import { accept } from '../src/server-end.ts'
import { authority, join, reporter, type Setting, setting } from './setting.ts'

const hello = readFileSync(new URL('../src/__fixtures__/openssl.bin', import.meta.url))

/** Its server name is said to be longer than the list that it is in. */
const broken = Buffer.from(hello)
broken[hello.indexOf('Alpha') - 1] = 200

function raw({ host, port }: Address): Socket {
  const socket = connect({ host, port })
  socket.on('error', () => undefined).resume()
  onTestFinished(() => void socket.destroy())
  return socket
}

describeNeeding(['openssl'], 'handshakes that fail', () => {
  const ca = authority()
  let leaf: Leaf

  beforeAll(() => {
    leaf = ca.current.server({ name: 'server', altNames: ['alpha.example.com'] })
  })

  /** Runs `act` against a fresh gateway; how the session ends, and proof that the gateway still serves. */
  async function endOf(act: (socket: Socket, setting: Setting) => void, deadline = 5_000): Promise<SessionEndEvent> {
    const listener = tls({ certificates: [leaf] })
    const limits = { handshakeTimeoutMs: deadline }
    const listeners = [{ address: '127.0.0.1:0', protocol: reporter(), tls: listener, limits }]
    const made = await setting(listener, reporter(), { listeners })
    const end = made.ended()
    const socket = raw(made.address)
    const closed = once(socket, 'close')
    act(socket, made)
    const event = await end
    await closed
    await join(made.address, { ca: ca.current.cert, servername: 'alpha.example.com' })
    return event
  }

  it.each<[string, Buffer]>([
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a hello with a broken extension', broken],
    ['random bytes', Buffer.from('\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00', 'latin1')],
    ['a good hello and then garbage', Buffer.concat([hello, Buffer.alloc(100, 0x7f)])],
    ['a good hello and then an alert', Buffer.concat([hello, Buffer.from([21, 3, 3, 0, 2, 2, 40])])],
  ])('%s ends in PROXY_TLS_HANDSHAKE', async (_, bytes) => {
    const event = await endOf((socket) => socket.write(bytes))
    expect(event).toMatchObject({ outcome: 'refused', error: { code: 'PROXY_TLS_HANDSHAKE' } })
    expect(event.error?.message).not.toContain('127.0.0.1')
  })

  it.each([0, 1, 100, hello.length])('silence after %i bytes ends at the deadline', async (length) => {
    const event = await endOf((socket) => void (length > 0 && socket.write(hello.subarray(0, length))), 50)
    expect(event.error?.code).toBe('PROXY_PEEK_TIMEOUT')
  })

  it.each([0, 1, 100])('a client that leaves after %i bytes is gone', async (length) => {
    const event = await endOf((socket) => socket.end(hello.subarray(0, length)))
    expect(event.error?.code).toBe('PROXY_CLIENT_GONE')
  })

  it('a client that leaves in the middle is gone', async () => {
    const event = await endOf((socket) => {
      socket.write(hello)
      socket.once('data', () => socket.end())
    })
    expect(event.error?.code).toMatch(/^PROXY_(CLIENT_GONE|TLS_HANDSHAKE)$/)
  })

  it('a client that resets the connection in the middle is gone', async () => {
    const event = await endOf((socket) => {
      socket.write(hello)
      socket.once('data', () => socket.resetAndDestroy())
    })
    expect(event.error?.code).toMatch(/^PROXY_(CLIENT_GONE|TLS_HANDSHAKE)$/)
  })

  it('a gateway that closes ends the handshakes', async () => {
    const event = await endOf((socket, { gateway }) => {
      socket.write(hello)
      socket.once('data', () => void gateway.close())
    }).catch((error: NodeJS.ErrnoException) => error)
    expect(event).toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('plain bytes behind the request for TLS are never taken for the protocol', async () => {
    const made = await setting(tls({ mode: 'negotiated', certificates: [leaf] }))
    const end = made.ended()
    raw(made.address).write('STARTTLS\nEVIL')
    expect((await end).error?.code).toBe('PROXY_TLS_INJECTION')
  })

  describe('after the handshake', () => {
    it('a forged record ends the session, and nothing else', async () => {
      const made = await setting(tls({ certificates: [leaf] }))
      let wire: Socket | undefined
      const relay = await tcpBackend((socket) => {
        wire = connect(made.address)
        wire.on('error', () => undefined)
        socket.pipe(wire).pipe(socket)
      })
      onTestFinished(() => relay.close())
      const client = await join(relay, { ca: ca.current.cert, servername: 'alpha.example.com' })
      client.socket.on('error', () => undefined)
      const end = made.ended()
      wire?.write(Buffer.from([23, 3, 3, 0, 32, ...Array<number>(32).fill(0)]))
      expect(await end).toMatchObject({ outcome: 'relayed', reason: 'client_reset' })
    })

    it('a renegotiation is refused', async () => {
      const made = await setting(tls({ certificates: [leaf] }))
      const options = { ca: ca.current.cert, servername: 'alpha.example.com', maxVersion: 'TLSv1.2' } as const
      const socket = connectTls({ ...made.address, ...options })
      onTestFinished(() => void socket.destroy())
      await once(socket, 'secureConnect')
      socket.on('error', () => undefined)
      const end = made.ended()
      socket.renegotiate({}, () => undefined)
      expect(await end).toMatchObject({ reason: expect.stringMatching(/^client/) })
    })
  })

  it('a connection whose server name is not the one it was judged by is refused', async () => {
    const identity = new IdentityTable({ certificates: [leaf] }, new Map()).select(undefined)!
    const judged = Promise.withResolvers<unknown>()
    const server = await tcpBackend((socket) => {
      const request = { unread: Buffer.alloc(0), alpn: [], signal: AbortSignal.timeout(5_000) }
      accept(socket, { serverName: 'other.test', alpn: [] }, identity, request).then(judged.resolve, judged.reject)
    })
    onTestFinished(() => server.close())
    const options = { ca: ca.current.cert, servername: 'alpha.example.com' }
    const client = connectTls({ host: server.host, port: server.port, ...options })
    client.on('error', () => undefined)
    await expect(judged.promise).rejects.toMatchObject({ code: 'PROXY_TLS_HANDSHAKE' })
  })

  it('many at once leave nothing behind', async () => {
    const made = await setting(tls({ certificates: [leaf] }))
    const sockets = Array.from({ length: 100 }, (_, at) => {
      const socket = raw(made.address)
      socket.write(hello.subarray(0, 1 + ((at * 37) % hello.length)))
      return socket
    })
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    for (const socket of sockets) socket.resetAndDestroy()
    let left = made.gateway.stats().sessions
    while (left > 0) {
      await made.ended()
      left = made.gateway.stats().sessions
    }
    await join(made.address, { ca: ca.current.cert, servername: 'alpha.example.com' })
  })
})
