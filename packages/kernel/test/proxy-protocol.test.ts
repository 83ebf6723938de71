import { once } from 'node:events'
import type { Socket } from 'node:net'
import { settle } from '@proxy/testkit'
import { afterEach, describe, expect, it } from 'vitest'
import { encodeProxyHeader } from '../src/proxy-protocol.ts'
import { lines, Scene } from './scene.ts'

const scene = new Scene()
afterEach(() => scene.close())

const from = { host: '192.0.2.7', port: 1_234 }
const to = { host: '192.0.2.8', port: 5_432 }
const listeners = [{ address: '127.0.0.1:0', protocol: lines(), proxyProtocol: { trusted: ['127.0.0.0/8'] } }]

/** What a backend gets until there is so much of it. */
async function heard(socket: Socket, length: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (bytes: Buffer) => chunks.push(bytes))
  while (chunks.reduce((sum, bytes) => sum + bytes.length, 0) < length) await once(socket, 'data')
  return Buffer.concat(chunks)
}

describe.each([1, 2] as const)('PROXY protocol, version %i', (version) => {
  const header = encodeProxyHeader(version, from, to)

  it('is read however it is cut, with what comes behind it', async () => {
    const backend = await scene.echo()
    for (const cut of [1, 5, header.length - 1, header.length, header.length + 1]) {
      const gateway = await scene.gateway({ resolver: () => `127.0.0.1:${backend}`, listeners })
      const bytes = Buffer.concat([header, Buffer.from('alpha\n')])
      const socket = scene.client(gateway)
      socket.setNoDelay(true).write(bytes.subarray(0, cut))
      await settle()
      socket.write(bytes.subarray(cut))
      expect(String(await heard(socket, 6))).toBe('alpha\n')
      expect(gateway.sessions()[0]?.client).toEqual(from)
    }
  })

  it('is read byte by byte', async () => {
    const backend = await scene.echo()
    const gateway = await scene.gateway({ resolver: () => `127.0.0.1:${backend}`, listeners })
    const socket = scene.client(gateway).setNoDelay(true)
    for (const byte of Buffer.concat([header, Buffer.from('a\n')])) {
      socket.write(Buffer.from([byte]))
      await settle(2)
    }
    expect(String(await heard(socket, 2))).toBe('a\n')
    expect(gateway.sessions()[0]?.client).toEqual(from)
  })

  it('is passed on from one gateway to the next, so that the last one knows the client', async () => {
    const backend = await scene.server((socket) => void socket.pipe(socket))
    const inner = await scene.gateway({ resolver: () => `127.0.0.1:${backend}`, listeners })
    const endpoint = `127.0.0.1:${inner.addresses[0]?.port}`
    const outer = await scene.gateway({ resolver: () => ({ endpoint, proxyProtocol: version }), listeners })
    const socket = scene.client(outer)
    socket.write(Buffer.concat([header, Buffer.from('alpha\n')]))
    expect(String(await heard(socket, 6))).toBe('alpha\n')
    expect(outer.sessions()[0]?.client).toEqual(from)
    expect(inner.sessions()[0]?.client).toEqual(from)
  })

  it('is the first thing that a backend gets', async () => {
    let first: Promise<Buffer> | undefined = undefined
    const gateway = await scene.gateway({
      listeners,
      resolver: async () => {
        const port = await scene.server((socket) => {
          first = heard(socket, header.length + 6)
          socket.write('ok\n')
        })
        return { endpoint: `127.0.0.1:${port}`, proxyProtocol: version }
      },
    })
    const socket = scene.client(gateway)
    socket.write(Buffer.concat([header, Buffer.from('alpha\n')]))
    expect(String(await heard(socket, 3))).toBe('ok\n')
    const sent = await first!
    expect(sent.length).toBeGreaterThan(6)
    expect(sent.subarray(-6).toString()).toBe('alpha\n')
    expect(sent.subarray(0, 20)).toEqual(header.subarray(0, 20))
    expect(gateway.sessions()[0]).toMatchObject({ client: from })
  })
})
