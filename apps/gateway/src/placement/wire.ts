import {
  type Backend,
  type BackendTls,
  backend,
  type ErrorCode,
  errorCodes,
  GatewayError,
  type Metadata,
  type Resolution,
  type ResolutionRecord,
  ResolveError,
  type ResolveErrorKind,
  resolveErrorKinds,
} from '@proxy/kernel'
import { messageOf } from '../fleet/failure.ts'

/** Between workers and the resolver in the primary process. All of it survives JSON. */
export const topics = {
  open: 'resolver:open',
  release: 'resolver:release',
  resolve: 'resolver:resolve',
  wake: 'resolver:wake',
  abort: 'resolver:abort',
  sleep: 'resolver:sleep',
  activity: 'resolver:activity',
  purge: 'resolver:purge',
  /** The other way: a route changed. */
  changed: 'resolver:changed',
  /** The other way: is a backend in use? */
  used: 'resolver:used',
} as const

/** The resolver of the primary process, as a worker sees it. */
export interface Lease {
  readonly id: number
  /** The resolver, whatever configuration asks for it. */
  readonly resolver: number
  readonly name: string
  readonly methods: readonly string[]
}

export interface CallMessage {
  readonly lease: number
  readonly call: number
  /** A request to resolve, or a backend to wake. */
  readonly subject: unknown
}

export interface BackendMessage {
  readonly lease: number
  readonly backend: string
}

export interface Activity {
  readonly key: string
  readonly metadata: Metadata
  readonly tracked: boolean
  readonly connected: number
  readonly disconnected: number
}

export interface ActivityMessage {
  readonly lease: number
  readonly activities: readonly Activity[]
}

/** An outcome that keeps what an error knows. */
export type Outcome = { readonly value: unknown } | { readonly error: WireError }

export interface WireError {
  readonly message: string
  /** undefined: an error of somebody else's. */
  readonly code?: string | undefined
  readonly hint?: string | undefined
  readonly retryAfterMs?: number | undefined
  readonly cause?: string | undefined
}

export function encodeError(error: unknown): WireError {
  if (!GatewayError.is(error)) return { message: messageOf(error) }
  const { message, code, hint, retryAfterMs, cause } = error
  return { message, code, hint, retryAfterMs, cause: cause === undefined ? undefined : messageOf(cause) }
}

export function decodeError({ message, code, hint, retryAfterMs, cause }: WireError): Error {
  const options = { message, hint, retryAfterMs, ...(cause !== undefined && { cause: new Error(cause) }) }
  const kinds = Object.entries(resolveErrorKinds) as [ResolveErrorKind, { code: string }][]
  const kind = kinds.find(([, facts]) => facts.code === code)?.[0]
  if (kind !== undefined) return new ResolveError(kind, options)
  return code !== undefined && Object.hasOwn(errorCodes, code)
    ? new GatewayError(code as ErrorCode, options)
    : new Error(message)
}

/** A bare endpoint stays one: it means something else than a record. */
export function encodeResolution(resolution: Resolution): unknown {
  return typeof resolution === 'string' ? resolution : encodeBackend(backend(resolution))
}

export function encodeBackend({ id, endpoints, metadata, state, ...rest }: Backend): ResolutionRecord {
  const { connectTimeoutMs: timeoutMs, tls, proxyProtocol } = rest
  const encoded = tls === undefined ? undefined : (mapped(tls, bytesToText) as unknown as BackendTls)
  return { id, endpoint: endpoints, metadata, state, timeoutMs, tls: encoded, proxyProtocol }
}

export function decodeBackend(encoded: unknown): Backend {
  const { tls, ...record } = encoded as ResolutionRecord
  const decoded = tls === undefined ? undefined : (mapped(tls as BackendTls, textToBytes) as unknown as BackendTls)
  return backend({ ...record, tls: decoded })
}

const mapped = (tls: BackendTls, map: (value: unknown) => unknown): Record<string, unknown> =>
  Object.fromEntries(Object.entries(tls).map(([name, value]) => [name, map(value)]))

const bytesToText = (value: unknown): unknown =>
  value instanceof Uint8Array ? { base64: Buffer.from(value).toString('base64') } : value

const textToBytes = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'base64' in value ? Buffer.from(String(value.base64), 'base64') : value
