import { type Backend, type BackendTls, backend, type Endpoint, type ResolutionRecord } from '@proxy/kernel'

type Json = Readonly<Record<string, unknown>>

/** The backend that a body describes: a `host:port`, or a record. Throws when it describes none. */
export function backendOf(body: string): Backend {
  const value: unknown = JSON.parse(body)
  if (typeof value === 'string') return backend(value)
  const record = objectOf('the answer', value)
  return backend({
    endpoint: endpointsOf(record['endpoint']),
    id: optional(record, 'id', nonEmpty),
    metadata: optional(record, 'metadata', objectOf),
    timeoutMs: optional(record, 'timeoutMs', numberOf),
    // Of these the kernel checks the values.
    state: record['state'] as ResolutionRecord['state'],
    proxyProtocol: record['proxyProtocol'] as ResolutionRecord['proxyProtocol'],
    tls: optional(record, 'tls', tlsOf),
  })
}

function endpointsOf(value: unknown): ResolutionRecord['endpoint'] {
  return Array.isArray(value) ? value.map(endpointOf) : endpointOf(value)
}

function endpointOf(value: unknown): string | Endpoint {
  if (typeof value === 'string') return value
  const endpoint = objectOf('endpoint', value)
  return {
    host: nonEmpty('host', endpoint['host']),
    port: optional(endpoint, 'port', numberOf),
    weight: optional(endpoint, 'weight', numberOf),
    draining: optional(endpoint, 'draining', flagOf),
  }
}

function tlsOf(name: string, value: unknown): ResolutionRecord['tls'] {
  if (typeof value === 'string') return value as BackendTls['mode']
  const tls = objectOf(name, value)
  return {
    mode: nonEmpty('mode', tls['mode']) as BackendTls['mode'],
    ca: optional(tls, 'ca', nonEmpty),
    serverName: optional(tls, 'serverName', nonEmpty),
    cert: optional(tls, 'cert', nonEmpty),
    key: optional(tls, 'key', nonEmpty),
    insecure: optional(tls, 'insecure', flagOf),
  }
}

/** null is what some languages write for nothing. */
function optional<T>(of: Json, name: string, read: (name: string, value: unknown) => T): T | undefined {
  const value = of[name]
  return value === undefined || value === null ? undefined : read(name, value)
}

function objectOf(name: string, value: unknown): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json
  throw new Error(`${name} is no object`)
}

function nonEmpty(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  throw new Error(`${name} is no text`)
}

function numberOf(name: string, value: unknown): number {
  if (typeof value === 'number') return value
  throw new Error(`${name} is no number`)
}

function flagOf(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw new Error(`${name} is neither true nor false`)
}
