import { describeNeeding, type Leaf, run } from '@proxy/test-servers'
import { beforeAll, describe, expect, it } from 'vitest'
import { tls } from '../src/index.ts'
import { authority, join, setting } from './setting.ts'

describeNeeding(['openssl', 'curl'], 'certificates by server name', () => {
  const ca = authority()

  let certificates: [Leaf, Leaf, Leaf]

  beforeAll(() => {
    certificates = [
      ca.current.server({ name: 'fallback', altNames: ['fallback.test'] }),
      ca.current.server({ name: 'wildcard', altNames: ['*.example.test'] }),
      ca.current.server({ name: 'exact', altNames: ['alpha.example.test'] }),
    ]
  })

  it.each([
    ['alpha.example.test', 'exact'],
    ['ALPHA.Example.test', 'exact'],
    ['beta.example.test', 'wildcard'],
    ['x.beta.example.test', 'fallback'],
    ['example.test', 'fallback'],
    ['other.test', 'fallback'],
  ])('%s is shown the certificate %s', async (servername, expected) => {
    const { address } = await setting(tls({ certificates }))
    const client = await join(address, { servername, rejectUnauthorized: false })
    expect(client.serverCertificate).toBe(expected)
    expect(client.report.serverName).toBe(servername.toLowerCase())
  })

  it('takes a trailing dot for the same name', async () => {
    const { address } = await setting(tls({ certificates }))
    const args = ['s_client', '-connect', `${address.host}:${address.port}`, '-servername', 'alpha.example.test.']
    const { stdout } = await run('openssl', args, { input: '' })
    expect(stdout).toMatch(/subject=CN ?= ?exact/)
  })

  it('shows the first certificate to a client that sends no name', async () => {
    const { address } = await setting(tls({ certificates }))
    const client = await join(address, { rejectUnauthorized: false })
    expect(client.serverCertificate).toBe('fallback')
    expect(client.report.serverName).toBeUndefined()
  })

  it('is verified by curl against its authority', async () => {
    const { address } = await setting(tls({ certificates }))
    const to = `alpha.example.test:443:${address.host}:${address.port}`
    const args = ['-sv', '--http0.9', '--max-time', '10', '--connect-to', to, '--cacert', ca.current.certFile]
    const { stderr } = await run('curl', [...args, 'https://alpha.example.test/', '-o', '/dev/null', '-m', '1'])
    expect(stderr).toContain('SSL certificate verify ok')
  })

  it('prefers names of the options to names of certificates', async () => {
    const [fallback, wildcard, exact] = certificates
    const served = { ...wildcard, serverNames: ['alpha.example.test', '*.named.test'] }
    const { address } = await setting(tls({ certificates: [fallback, exact, served] }))
    const shown = async (servername: string) =>
      (await join(address, { servername, rejectUnauthorized: false })).serverCertificate
    expect(await shown('alpha.example.test')).toBe('wildcard')
    expect(await shown('x.named.test')).toBe('wildcard')
    expect(await shown('beta.example.test')).toBe('fallback')
  })

  it('prefers the first of two certificates that have a name', async () => {
    const [, , exact] = certificates
    const second = ca.current.server({ name: 'second', altNames: ['alpha.example.test'] })
    const { address } = await setting(tls({ certificates: [exact, second] }))
    const client = await join(address, { servername: 'alpha.example.test', ca: ca.current.cert })
    expect(client.serverCertificate).toBe('exact')
  })

  describe('with unknown names refused', () => {
    it.each([{ servername: 'other.test' }, {}])('%o is sent the alert unrecognized_name', async (options) => {
      const { address, ended } = await setting(tls({ certificates, unknownNames: 'refuse' }))
      const end = ended()
      await expect(join(address, { ...options, rejectUnauthorized: false })).rejects.toMatchObject({
        code: 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME',
      })
      expect(await end).toMatchObject({ outcome: 'refused', error: { code: 'PROXY_TLS_HANDSHAKE' } })
    })

    it('known ones are served', async () => {
      const { address } = await setting(tls({ certificates, unknownNames: 'refuse' }))
      const client = await join(address, { servername: 'beta.example.test', ca: ca.current.cert })
      expect(client.socket.authorized).toBe(true)
    })
  })
})
