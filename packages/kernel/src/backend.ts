import { hash } from 'node:crypto'
import { formatAddress, invalid, parseEndpoint } from './address.ts'
import type { Backend, BackendTls, Endpoint, Metadata, Resolution, ResolutionRecord } from './contracts.ts'
import { ResolveError } from './errors.ts'

const brand: unique symbol = Symbol.for('@proxy/kernel.Backend')
const NO_METADATA: Metadata = Object.freeze({})
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1
const REMEMBERED = 8_192

class ResolvedBackend implements Backend {
  readonly id: string
  readonly endpoints: readonly Endpoint[]
  readonly metadata: Metadata
  readonly state: 'ready' | 'asleep'
  readonly connectTimeoutMs: number | undefined
  readonly tls: BackendTls | undefined
  readonly proxyProtocol: 0 | 1 | 2

  constructor(facts: Omit<Backend, 'id'> & { readonly id: string | undefined }) {
    this.id = facts.id ?? defaultId(facts.endpoints, facts.tls)
    this.endpoints = facts.endpoints
    this.metadata = facts.metadata
    this.state = facts.state
    this.connectTimeoutMs = facts.connectTimeoutMs
    this.tls = facts.tls
    this.proxyProtocol = facts.proxyProtocol
    Object.freeze(this)
  }
}
Object.defineProperty(ResolvedBackend.prototype, brand, { value: true })

const bare = new Map<string, Backend>()

/**
 * The one form of a resolver's answer: frozen, every endpoint checked. A ready-made backend is handed back as it is, and
 * the same bare string gives the same backend for as long as it is remembered.
 *
 * Throws `ResolveError` INTERNAL for an answer that makes no sense; what is wrong with it is in `cause`.
 */
export function backend(resolution: Resolution): Backend {
  try {
    return normalise(resolution)
  } catch (error) {
    throw new ResolveError('INTERNAL', { cause: error })
  }
}

/** As {@link backend}, for answers that stand in the configuration: throws `PROXY_CONFIG_INVALID` with the text. */
export function normalise(resolution: Resolution): Backend {
  if (typeof resolution === 'string') return bare.get(resolution) ?? remember(resolution)
  if (typeof resolution !== 'object' || resolution === null) throw invalid(String(resolution), 'is no resolution')
  if (isBackend(resolution)) return resolution
  // A copy of a backend made by spreading it has the fields but not the brand.
  if (isCopy(resolution)) return fromRecord({ ...spread(resolution), endpoint: resolution.endpoints })
  return fromRecord(resolution)
}

/**
 * What waking a backend made of it, in the state `ready`. A bare endpoint says only where it is now: TLS, metadata and the
 * rest stay as they were. `asked` is the backend that the answer is about, where that was resolved with other endpoints, for another
 * protocol: an answer that leaves those as they were leaves these, too. Throws `ResolveError` INTERNAL.
 */
export function woken(sleeping: Backend, answer: Resolution, asked: Backend = sleeping): Backend {
  const made = backend(answer)
  if (sleeping !== asked && endpointsText(made.endpoints) === endpointsText(asked.endpoints)) return awake(sleeping)
  if (typeof answer !== 'string') return awake(made)
  const id = sleeping.id === defaultId(sleeping.endpoints, sleeping.tls) ? undefined : sleeping.id
  return new ResolvedBackend({ ...sleeping, id, endpoints: made.endpoints, state: 'ready' })
}

function endpointsText(endpoints: readonly Endpoint[]): string {
  return endpoints.map(formatAddress).join(',')
}

function awake(made: Backend): Backend {
  return made.state === 'ready' ? made : new ResolvedBackend({ ...made, state: 'ready' })
}

function isBackend(value: object): value is Backend {
  return brand in value
}

function isCopy(value: ResolutionRecord | Backend): value is Backend {
  return 'endpoints' in value
}

function remember(text: string): Backend {
  const made = fromRecord({ endpoint: text })
  if (bare.size >= REMEMBERED) forgetOldest()
  bare.set(text, made)
  return made
}

function forgetOldest(): void {
  for (const oldest of bare.keys()) {
    bare.delete(oldest)
    return
  }
}

function spread(copy: Backend): Omit<ResolutionRecord, 'endpoint'> {
  return { ...copy, timeoutMs: copy.connectTimeoutMs }
}

function fromRecord(record: ResolutionRecord): Backend {
  return new ResolvedBackend({
    id: record.id,
    endpoints: endpointsOf(record.endpoint),
    metadata: record.metadata === undefined ? NO_METADATA : Object.freeze({ ...record.metadata }),
    state: oneOf('state', record.state ?? 'ready', ['ready', 'asleep']),
    connectTimeoutMs: timeoutOf(record.timeoutMs),
    tls: tlsOf(record.tls),
    proxyProtocol: oneOf('proxyProtocol', record.proxyProtocol ?? 0, [0, 1, 2]),
  })
}

function endpointsOf(value: ResolutionRecord['endpoint']): readonly Endpoint[] {
  const list = Array.isArray(value) ? value : [value]
  if (list.length === 0) throw invalid('endpoint', 'is an empty list')
  return Object.freeze(list.map(endpointOf))
}

function endpointOf(value: unknown): Endpoint {
  if (typeof value === 'string' || (typeof value === 'object' && value !== null && 'host' in value)) {
    return parseEndpoint(value as string | Endpoint)
  }
  throw invalid(String(value), 'is no endpoint')
}

function timeoutOf(timeoutMs: number | undefined): number | undefined {
  if (timeoutMs === undefined || (timeoutMs > 0 && timeoutMs <= LONGEST_TIMEOUT_MS)) return timeoutMs
  throw invalid(`timeoutMs: ${timeoutMs}`, `is not between 1 and ${LONGEST_TIMEOUT_MS} ms`)
}

function tlsOf(value: ResolutionRecord['tls']): BackendTls | undefined {
  if (value === undefined) return undefined
  const tls = typeof value === 'string' ? { mode: value } : { ...value }
  oneOf('tls mode', tls.mode, ['off', 'implicit', 'negotiated'])
  return Object.freeze(tls)
}

function oneOf<T extends string | number>(name: string, value: T, choices: readonly T[]): T {
  if (choices.includes(value)) return value
  throw invalid(`${name}: ${value}`, `is none of ${choices.join(', ')}`)
}

function defaultId(endpoints: readonly Endpoint[], tls: BackendTls | undefined): string {
  const addresses = endpointsText(endpoints)
  return tls === undefined || tls.mode === 'off' ? addresses : `${addresses} ${tlsId(tls)}`
}

// Connections that trust different authorities, or show different certificates, must not share a pool.
function tlsId(tls: BackendTls): string {
  const { mode, ca, cert, key, serverName, insecure } = tls
  if ((ca ?? cert ?? key ?? serverName ?? insecure) === undefined) return mode
  const parts = [ca, cert, key, serverName, insecure].map((part) => String(part ?? ''))
  return `${mode} ${hash('sha256', JSON.stringify(parts)).slice(0, 16)}`
}
