import { once } from 'node:events'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import type { Address } from '@proxy/kernel'
import { describeNeeding, type Leaf } from '@proxy/test-servers'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type TlsOptions, tls } from '../src/index.ts'
import { authority, type Client, join, setting } from './setting.ts'

describeNeeding(['openssl'], 'session resumption', () => {
  const ca = authority('Own')
  const other = authority('Other')
  const shared = Buffer.alloc(48, 7)
  let leaf: Leaf
  let alice: Leaf
  let mallory: Leaf

  beforeAll(() => {
    leaf = ca.current.server({ name: 'server', altNames: ['open.test', '*.closed.test'] })
    alice = ca.current.client({ name: 'alice' })
    mallory = other.current.client({ name: 'mallory' })
  })

  /** One certificate, three demands: an attacker gains nothing by a name that the certificate does not cover. */
  const routes = (): TlsOptions => ({
    certificates: [
      { ...leaf, serverNames: ['open.test'] },
      { ...leaf, serverNames: ['a.closed.test'], ca: ca.current.cert, requireClientCert: true },
      { ...leaf, serverNames: ['b.closed.test'], ca: other.current.cert, requireClientCert: true },
    ],
  })

  const client = (servername: string, by?: Leaf): ConnectionOptions => ({
    servername,
    ca: ca.current.cert,
    ...(by === undefined ? {} : { cert: by.cert, key: by.key }),
  })

  /** Joins and waits for a session that could be resumed. */
  async function begin(address: Address, options: ConnectionOptions): Promise<{ client: Client; session: Buffer }> {
    const socket = connect({ host: address.host, port: address.port, ...options })
    onTestFinished(() => void socket.destroy())
    const [session] = (await once(socket, 'session')) as [Buffer]
    const joined = await join(address, { ...options, session })
    return { client: joined, session }
  }

  const reused = (socket: TLSSocket): boolean => socket.isSessionReused()

  describe.each(['TLSv1.2', 'TLSv1.3'] as const)('over %s', (maxVersion) => {
    it('works at the same name', async () => {
      const { address } = await setting(tls(routes()))
      expect(reused((await begin(address, { ...client('open.test'), maxVersion })).client.socket)).toBe(true)
    })

    it('keeps the client certificate', async () => {
      const { address } = await setting(tls(routes()))
      const { client: resumed } = await begin(address, { ...client('a.closed.test', alice), maxVersion })
      expect(reused(resumed.socket)).toBe(true)
      expect(resumed.report.certificate?.subject).toBe('CN=alice')
    })

    describe.each([
      ['own ticket keys', undefined],
      ['shared ticket keys', shared],
    ])('with %s', (_, ticketKeys) => {
      it('a session of an open name does not open a closed one', async () => {
        const { address } = await setting(tls({ ...routes(), ticketKeys }))
        const { session } = await begin(address, { ...client('open.test'), maxVersion })
        await expect(join(address, { ...client('a.closed.test'), maxVersion, session })).rejects.toThrow()
      })

      it('a session of one authority does not open a name of another', async () => {
        const { address } = await setting(tls({ ...routes(), ticketKeys }))
        const { session } = await begin(address, { ...client('a.closed.test', alice), maxVersion })
        await expect(join(address, { ...client('b.closed.test'), maxVersion, session })).rejects.toThrow()
        const { report, socket } = await join(address, { ...client('b.closed.test', mallory), maxVersion, session })
        expect(reused(socket)).toBe(false)
        expect(report.certificate?.subject).toBe('CN=mallory')
      })

      it('a session of a closed name does not lend its certificate to an open one', async () => {
        const { address } = await setting(tls({ ...routes(), ticketKeys }))
        const { session } = await begin(address, { ...client('a.closed.test', alice), maxVersion })
        const { report, socket } = await join(address, { ...client('open.test'), maxVersion, session })
        expect(reused(socket)).toBe(false)
        expect(report.certificate).toBeUndefined()
      })
    })

    it('works between workers that share ticket keys', async () => {
      const one = await setting(tls({ ...routes(), ticketKeys: shared }))
      const two = await setting(tls({ ...routes(), ticketKeys: shared }))
      const { session } = await begin(one.address, { ...client('a.closed.test', alice), maxVersion })
      const { socket } = await join(two.address, { ...client('a.closed.test', alice), maxVersion, session })
      expect(reused(socket)).toBe(true)
    })

    it('ends at a new authority, even with shared ticket keys', async () => {
      const closed = (authority: string): TlsOptions => ({
        certificates: [leaf],
        ca: authority,
        requireClientCert: true,
        ticketKeys: shared,
      })
      const before = await setting(tls(closed(ca.current.cert)))
      const after = await setting(tls(closed(other.current.cert)))
      const { session } = await begin(before.address, { ...client('open.test', alice), maxVersion })
      await expect(join(after.address, { ...client('open.test', alice), maxVersion, session })).rejects.toThrow()
    })

    it('falls back to a full handshake between workers that share none', async () => {
      const one = await setting(tls(routes()))
      const two = await setting(tls(routes()))
      const { session } = await begin(one.address, { ...client('open.test'), maxVersion })
      expect(reused((await join(two.address, { ...client('open.test'), maxVersion, session })).socket)).toBe(false)
    })
  })
})
