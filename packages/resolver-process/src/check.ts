import { backend, GatewayError, parseEndpoint } from '@proxy/kernel'
import type { BackendSpec } from './options.ts'

/** The same, when it makes sense. Throws `PROXY_CONFIG_INVALID`. */
export function checkedSpec(name: string, spec: BackendSpec): BackendSpec {
  if (spec.endpoint !== undefined && parseEndpoint(spec.endpoint).port === undefined)
    throw invalid(`${name}: the endpoint has no port`)
  if (!('server' in spec) && (typeof spec.command !== 'string' || spec.command === ''))
    throw invalid(`${name}: a command is needed`)
  checkFacts(name, spec)
  return spec
}

function checkFacts(name: string, { metadata, timeoutMs, tls, proxyProtocol }: BackendSpec): void {
  try {
    backend({ endpoint: 'x:1', metadata, timeoutMs, tls, proxyProtocol })
  } catch (error) {
    throw invalid(name, GatewayError.is(error) ? error.cause : error)
  }
}

const invalid = (what: string, cause?: unknown): GatewayError => {
  const why = cause instanceof Error ? `${what}: ${cause.message}` : what
  return new GatewayError('PROXY_CONFIG_INVALID', { message: why, cause })
}
