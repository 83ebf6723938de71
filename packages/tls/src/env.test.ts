import { describe, expect, it } from 'vitest'
import { tlsFromEnv } from './env.ts'

const files = { PROXY_TLS_CERT: '/tls/tls.crt', PROXY_TLS_KEY: '/tls/tls.key' }
const certificates = [{ cert: '/tls/tls.crt', key: '/tls/tls.key' }]

describe('tlsFromEnv', () => {
  it.each([[{}], [{ PROXY_TLS_ENABLED: 'false', ...files }], [{ PROXY_TLS_ENABLED: '' }]])('is off with %o', (env) => {
    expect(tlsFromEnv(env)).toBeUndefined()
  })

  it.each(['true', 'TRUE', '1', 'yes', 'on'])('is on with %s', (PROXY_TLS_ENABLED) => {
    expect(tlsFromEnv({ PROXY_TLS_ENABLED, ...files })).toEqual({ certificates, requireClientCert: false })
  })

  it('asks clients for certificates', () => {
    const env = { PROXY_TLS_ENABLED: 'true', ...files, PROXY_TLS_CA: '/tls/ca.crt' }
    const options = { certificates, ca: '/tls/ca.crt' }
    expect(tlsFromEnv(env)).toEqual({ ...options, requireClientCert: false })
    expect(tlsFromEnv({ ...env, PROXY_TLS_REQUIRE_CLIENT_CERT: 'true' })).toEqual({
      ...options,
      requireClientCert: true,
    })
  })

  it.each([
    [{ PROXY_TLS_ENABLED: 'true' }, 'PROXY_TLS_ENABLED needs PROXY_TLS_CERT and PROXY_TLS_KEY'],
    [{ PROXY_TLS_ENABLED: 'maybe' }, 'PROXY_TLS_ENABLED must be true or false'],
    [
      { PROXY_TLS_ENABLED: 'true', ...files, PROXY_TLS_REQUIRE_CLIENT_CERT: 'true' },
      'PROXY_TLS_REQUIRE_CLIENT_CERT needs PROXY_TLS_CA',
    ],
  ])('refuses %o', (env, message) => {
    expect(() => tlsFromEnv(env)).toThrow(expect.objectContaining({ code: 'PROXY_CONFIG_INVALID', message }))
  })
})
