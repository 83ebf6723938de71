import type { Backend, DialRequest, Endpoint, Session, Upstream } from './contracts.ts'
import type { GatewayError } from './errors.ts'
import type { PipelineParts } from './pipeline.ts'
import type { UpstreamChannel } from './upstream.ts'

/** How long a route took, and the part of it that was waiting for a backend to start. */
export interface RouteTime {
  readonly durationMs: number
  readonly wakeMs: number
}

/** Nobody is told, or the answer was known at once. */
export const NO_TIME: RouteTime = Object.freeze({ durationMs: 0, wakeMs: 0 })

export function announceRoute(
  { hooks }: PipelineParts,
  { id: session, listener, protocol }: Session,
  key: string,
  { durationMs, wakeMs }: RouteTime,
  answer: Backend | GatewayError,
): void {
  if (!hooks.has('route:end')) return
  const error = answer instanceof Error ? answer : undefined
  const backend = answer instanceof Error ? undefined : answer
  hooks.emit('route:end', { session, listener, protocol, key, durationMs, wakeMs, backend, error })
}

export function announceDial(
  { hooks, clock }: PipelineParts,
  { session, listener, protocol, key, backend, endpoint }: DialRequest,
  startedAt: number,
  error: GatewayError | undefined,
): void {
  if (!hooks.has('dial:end')) return
  const durationMs = clock.now() - startedAt
  hooks.emit('dial:end', { session, listener, protocol, key, backend, endpoint, durationMs, error })
}

export function announceRelay(
  { hooks, clock }: PipelineParts,
  { id: session, listener, protocol }: Session,
  { key, backend, endpoint }: Upstream,
  acceptedAt: number,
): void {
  if (!hooks.has('relay:start')) return
  const setupMs = clock.now() - acceptedAt
  hooks.emit('relay:start', { session, listener, protocol, key, backend, endpoint, setupMs })
}

/** What the session dialled last. */
export interface Dialled {
  readonly backend: Backend
  readonly endpoint: Endpoint
}

const faults: ReadonlySet<string> = new Set(['PROXY_BACKEND_CLOSED', 'PROXY_BACKEND_TIMEOUT', 'PROXY_BACKEND_PROTOCOL'])

/** An upstream that could be dialled has failed its session before it could be relayed. */
export function announceFault(
  { hooks }: PipelineParts,
  { id: session, listener, protocol }: Session,
  key: string,
  dialled: Dialled | undefined,
  error: GatewayError,
): void {
  if (dialled === undefined || !faults.has(error.code) || !hooks.has('upstream:fault')) return
  const { backend, endpoint } = dialled
  hooks.emit('upstream:fault', { session, listener, protocol, key, backend, endpoint, error })
}

/** An upstream leaves its session's hands, and has said something before. */
export function announceAnswer(
  { hooks }: PipelineParts,
  { id: session, listener, protocol }: Session,
  { key, backend, endpoint, link }: UpstreamChannel,
): void {
  if (link.bytesRead === 0 || !hooks.has('upstream:answer')) return
  hooks.emit('upstream:answer', { session, listener, protocol, key, backend, endpoint })
}
