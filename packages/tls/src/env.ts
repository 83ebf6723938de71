import { GatewayError } from '@proxy/kernel'
import type { TlsOptions } from './options.ts'

const truths = new Set(['1', 'true', 'yes', 'on'])
const falsehoods = new Set(['', '0', 'false', 'no', 'off'])

/**
 * TLS options out of `PROXY_TLS_ENABLED`, `PROXY_TLS_CERT`, `PROXY_TLS_KEY`, `PROXY_TLS_CA` (paths of PEM files) and
 * `PROXY_TLS_REQUIRE_CLIENT_CERT`; undefined when TLS is not enabled. Throws `PROXY_CONFIG_INVALID`.
 */
export function tlsFromEnv(env: Readonly<Record<string, string | undefined>>): TlsOptions | undefined {
  if (!flag(env, 'PROXY_TLS_ENABLED')) return undefined
  const cert = env['PROXY_TLS_CERT'] ?? ''
  const key = env['PROXY_TLS_KEY'] ?? ''
  const ca = env['PROXY_TLS_CA'] ?? ''
  const requireClientCert = flag(env, 'PROXY_TLS_REQUIRE_CLIENT_CERT')
  if (cert === '' || key === '') throw invalid('PROXY_TLS_ENABLED needs PROXY_TLS_CERT and PROXY_TLS_KEY')
  if (requireClientCert && ca === '') throw invalid('PROXY_TLS_REQUIRE_CLIENT_CERT needs PROXY_TLS_CA')
  return { certificates: [{ cert, key }], requireClientCert, ...(ca === '' ? {} : { ca }) }
}

function flag(env: Readonly<Record<string, string | undefined>>, name: string): boolean {
  const value = (env[name] ?? '').trim().toLowerCase()
  if (!truths.has(value) && !falsehoods.has(value)) throw invalid(`${name} must be true or false`)
  return truths.has(value)
}

function invalid(message: string): GatewayError {
  return new GatewayError('PROXY_CONFIG_INVALID', { message })
}
