import { once } from 'node:events'
import { connect } from 'node:tls'
import { describeNeeding, type Leaf } from '@proxy/test-servers'
import { beforeAll, expect, it, onTestFinished } from 'vitest'
import { tls } from '../src/index.ts'
import { authority, join, reporter, setting } from './setting.ts'

describeNeeding(['openssl'], 'acme tls-alpn-01', () => {
  const ca = authority()
  let leaf: Leaf
  let challenge: Leaf

  beforeAll(() => {
    leaf = ca.current.server({ name: 'server', altNames: ['alpha.test', 'beta.test'] })
    challenge = ca.current.server({ name: 'challenge', altNames: ['alpha.test'] })
  })

  const options = () => ({
    certificates: [leaf],
    ca: ca.current.cert,
    requireClientCert: true,
    acme: (name: string) => Promise.resolve(name === 'alpha.test' ? challenge : undefined),
  })

  const to = (servername: string, ...ALPNProtocols: string[]) => ({ servername, ca: ca.current.cert, ALPNProtocols })

  it('shows the certificate of the challenge, asks for none, and closes', async () => {
    const { address, ended } = await setting(tls(options()), reporter(['h2']))
    const end = ended()
    const socket = connect({ ...address, ...to('alpha.test', 'acme-tls/1') })
    onTestFinished(() => void socket.destroy())
    await once(socket, 'secureConnect')
    expect(socket.alpnProtocol).toBe('acme-tls/1')
    expect(socket.getPeerCertificate().subject.CN).toBe('challenge')
    await once(socket.resume(), 'close')
    expect(await end).toMatchObject({ key: undefined, error: { message: /ACME challenge/ } })
  })

  it('is nothing special for a name without a challenge', async () => {
    const { address } = await setting(tls(options()), reporter(['h2']))
    await expect(join(address, to('beta.test', 'acme-tls/1'))).rejects.toMatchObject({
      code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    })
  })

  it('opens no way in for a client that offers other protocols too', async () => {
    const { address, ended } = await setting(tls(options()), reporter(['h2']))
    const end = ended()
    await expect(join(address, to('alpha.test', 'acme-tls/1', 'h2'))).rejects.toThrow()
    expect((await end).error?.code).toBe('PROXY_TLS_CERTIFICATE')
  })

  it('reports a challenge that cannot be looked up', async () => {
    const down = new Error('the store is down')
    const { address, hooks } = await setting(tls({ ...options(), acme: () => Promise.reject(down) }))
    const reported = new Promise((resolve) => hooks.on('gateway:error', resolve))
    await expect(join(address, to('alpha.test', 'acme-tls/1'))).rejects.toThrow()
    expect(await reported).toMatchObject({ error: down })
  })
})
