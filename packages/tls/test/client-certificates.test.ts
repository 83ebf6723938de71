import { describeNeeding, type Leaf } from '@proxy/test-servers'
import { beforeAll, describe, expect, it } from 'vitest'
import { tls } from '../src/index.ts'
import { authority, join, setting } from './setting.ts'

describeNeeding(['openssl'], 'client certificates', () => {
  const ca = authority('Own')
  const foreign = authority('Foreign')
  let server: Leaf
  let named: Leaf
  let alice: Leaf
  let stranger: Leaf

  beforeAll(() => {
    server = ca.current.server({ name: 'server', altNames: ['open.test'] })
    named = ca.current.server({ name: 'named', altNames: ['closed.test'] })
    alice = ca.current.client({ name: 'alice' })
    stranger = foreign.current.client({ name: 'stranger' })
  })

  const to = (servername: string, client?: Leaf, more: object = {}) => ({
    servername,
    ca: ca.current.cert,
    ...(client === undefined ? {} : { cert: client.cert, key: client.key }),
    ...more,
  })

  describe.each(['TLSv1.2', 'TLSv1.3'] as const)('over %s', (maxVersion) => {
    const version = { maxVersion }

    describe('required by the listener', () => {
      const options = () => ({ certificates: [server], ca: ca.current.certFile, requireClientCert: true })

      it('lets a client with one in and says who it is', async () => {
        const { address } = await setting(tls(options()))
        const client = await join(address, to('open.test', alice, version))
        expect(client.report.certificate).toMatchObject({ subject: 'CN=alice', issuer: 'CN=Own' })
        expect(await client.echo('hello')).toBe('hello')
      })

      it('refuses a client without one', async () => {
        const { address, ended } = await setting(tls(options()))
        const end = ended()
        await expect(join(address, to('open.test', undefined, version))).rejects.toThrow(
          /certificate|handshake failure/,
        )
        expect(await end).toMatchObject({ outcome: 'refused', error: { code: 'PROXY_TLS_CERTIFICATE' } })
      })

      it('refuses a client with one of another authority', async () => {
        const { address, ended } = await setting(tls(options()))
        const end = ended()
        await expect(join(address, to('open.test', stranger, version))).rejects.toThrow()
        expect(await end).toMatchObject({ outcome: 'refused', error: { code: 'PROXY_TLS_CERTIFICATE' } })
      })

      it('refuses a server certificate in the place of a client certificate', async () => {
        const { address, ended } = await setting(tls(options()))
        const end = ended()
        await expect(join(address, to('open.test', server, version))).rejects.toThrow()
        expect(await end).toMatchObject({ error: { code: 'PROXY_TLS_CERTIFICATE' } })
      })
    })

    describe('asked for, not required', () => {
      const options = () => ({ certificates: [server], ca: ca.current.cert })

      it('a client without one is let in', async () => {
        const { address } = await setting(tls(options()))
        expect((await join(address, to('open.test', undefined, version))).report.certificate).toBeUndefined()
      })

      it('a good one is reported', async () => {
        const { address } = await setting(tls(options()))
        const { report } = await join(address, to('open.test', alice, version))
        expect(report.certificate?.subject).toBe('CN=alice')
      })

      it('a bad one is refused', async () => {
        const { address, ended } = await setting(tls(options()))
        const end = ended()
        await expect(join(address, to('open.test', stranger, version))).rejects.toThrow()
        expect(await end).toMatchObject({ error: { code: 'PROXY_TLS_CERTIFICATE' } })
      })
    })

    describe('required for one name', () => {
      const options = () => ({
        certificates: [server, { ...named, ca: ca.current.certFile, requireClientCert: true }],
      })

      it('the other name is open, and asks for none', async () => {
        const { address } = await setting(tls(options()))
        expect((await join(address, to('open.test', alice, version))).report.certificate).toBeUndefined()
      })

      it('the name is closed without one', async () => {
        const { address } = await setting(tls(options()))
        await expect(join(address, to('closed.test', undefined, version))).rejects.toThrow()
        await expect(join(address, to('CLOSED.test', undefined, version))).rejects.toThrow()
      })

      it('the name is open with one', async () => {
        const { address } = await setting(tls(options()))
        expect((await join(address, to('closed.test', alice, version))).report.certificate?.subject).toBe('CN=alice')
      })
    })

    it('a name may be excepted from what the listener requires', async () => {
      const certificates = [named, { ...server, requireClientCert: false }]
      const { address } = await setting(tls({ certificates, ca: ca.current.cert, requireClientCert: true }))
      await join(address, to('open.test', undefined, version))
      await expect(join(address, to('closed.test', undefined, version))).rejects.toThrow()
    })
  })
})
