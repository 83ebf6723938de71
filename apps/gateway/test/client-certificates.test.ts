import { request } from 'node:https'
import { certificateAuthority, findFreePort, httpBackend, type HttpBackend, type Launched } from '@proxy/test-servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { directoryOf, startGateway } from './gateway-process.ts'

describe('a name that demands a client certificate', () => {
  let gateway: Launched
  let backend: HttpBackend
  let port: number
  let ca: string

  beforeAll(async () => {
    const authority = certificateAuthority()
    const open = authority.server({ name: 'open.test', altNames: ['open.test'] })
    const closed = authority.server({ name: 'closed.test', altNames: ['closed.test'] })
    ca = authority.cert
    backend = await httpBackend('hello')
    port = await findFreePort()
    const config = {
      listeners: [
        {
          address: `127.0.0.1:${port}`,
          protocol: 'http',
          tls: {
            certificates: [
              { cert: open.certFile, key: open.keyFile },
              { cert: closed.certFile, key: closed.keyFile, ca: authority.certFile, requireClientCert: true },
            ],
          },
        },
      ],
      resolver: { static: { 'open.test': backend.endpoint, 'closed.test': backend.endpoint } },
      guard: { allow: [`127.0.0.1 ${backend.port}`] },
      admin: false,
      workers: 1,
    }
    gateway = await startGateway({ cwd: directoryOf({ 'gateway.config.json': JSON.stringify(config) }) })
  })

  afterAll(async () => {
    await gateway.stop()
    await backend.close()
  })

  const status = (servername: string, host: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port, servername, ca, headers: { host }, agent: false }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
        .on('error', reject)
        .end()
    })

  it('is not reached through the TLS of a name that demands none', async () => {
    expect(await status('open.test', 'open.test')).toBe(200)
    expect(await status('open.test', 'closed.test')).toBe(403)
    await expect(status('closed.test', 'closed.test')).rejects.toThrow()
  })
})
