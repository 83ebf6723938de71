import { certificateAuthority, describeNeeding, h2spec } from '@proxy/test-servers'
import { tls } from '@proxy/tls'
import { expect, it, onTestFinished } from 'vitest'
import { http } from '../src/index.ts'
import { gateway, nodeBackend } from './setting.ts'

/** A body longer than the window that h2spec leaves for it. */
const backend = (): Promise<number> => nodeBackend((req, res) => req.resume().on('end', () => res.end('x'.repeat(260))))

describeNeeding(['h2spec'], 'h2spec, with its strict cases', () => {
  it('finds nothing over TLS', async () => {
    const authority = certificateAuthority()
    onTestFinished(() => authority.dispose())
    const certificates = [authority.server({ name: 'localhost', altNames: ['localhost'] })]
    const { port } = await gateway(await backend(), {}, (options) => ({
      listeners: [{ address: '127.0.0.1:0', protocol: http({ ...options, http2: true }), tls: tls({ certificates }) }],
    }))
    expect(await h2spec(port, '--tls', '--insecure')).toEqual([])
  })

  it('finds nothing without TLS but that what is no preface of HTTP/2 is answered as HTTP/1.1', async () => {
    const { port } = await gateway(await backend(), { h2c: true })
    expect(await h2spec(port)).toEqual(['http2/3.5: Sends invalid connection preface'])
  })
})
