import { once } from 'node:events'
import { connect } from 'node:tls'
import { GatewayError, type Session } from '@proxy/kernel'
import { describeNeeding, type Leaf } from '@proxy/test-servers'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { serverNameGuard, tls } from '../src/index.ts'
import { authority, join, reporter, setting } from './setting.ts'

/** Routes by a line inside TLS, as HTTP does by its Host. */
async function speakName(session: Session): Promise<void> {
  const line = await session.client.read((bytes) => bytes.indexOf('\n') + 1)
  try {
    await session.resolve(line.toString().trim())
    await session.client.write('served')
  } catch (error) {
    await session.client.write(GatewayError.from(error).code)
  }
}

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

    it('a connection for an open name does not reach a closed one through its protocol', async () => {
      const certificates = [server, { ...named, ca: ca.current.cert, requireClientCert: true }]
      const listener = tls({ certificates })
      const speaker = { ...reporter(), serve: speakName }
      const { address } = await setting(listener, speaker, { layers: [serverNameGuard(listener)] })
      const say = async (servername: string, host: string, by?: Leaf): Promise<string> => {
        const socket = connect({ ...address, ...to(servername, by, version) })
        onTestFinished(() => void socket.destroy())
        socket.end(`${host}\n`)
        return String((await once(socket, 'data'))[0])
      }
      expect(await say('open.test', 'open.test')).toBe('served')
      expect(await say('open.test', 'a database')).toBe('served')
      expect(await say('closed.test', 'CLOSED.test', alice)).toBe('served')
      expect(await say('closed.test', 'open.test', alice)).toBe('served')
      expect(await say('open.test', 'closed.test', alice)).toBe('PROXY_RESOLVE_FORBIDDEN')
      expect(await say('open.test', 'CLOSED.test.', alice)).toBe('PROXY_RESOLVE_FORBIDDEN')
    })

    it('a name may be excepted from what the listener requires', async () => {
      const certificates = [named, { ...server, requireClientCert: false }]
      const { address } = await setting(tls({ certificates, ca: ca.current.cert, requireClientCert: true }))
      await join(address, to('open.test', undefined, version))
      await expect(join(address, to('closed.test', undefined, version))).rejects.toThrow()
    })
  })
})
