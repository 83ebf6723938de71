import type { Backend, Session, Upstream } from './contracts.ts'
import type { GatewayError } from './errors.ts'
import type { PipelineParts } from './pipeline.ts'

/** How long a route took, and the part of it that was waiting for a backend to start. */
export interface RouteTime {
  readonly durationMs: number
  readonly wakeMs: number
}

/** Nobody is told. */
export const NO_TIME: RouteTime = Object.freeze({ durationMs: 0, wakeMs: 0 })

export function announceRoute(
  { hooks }: PipelineParts,
  { id: session, listener, protocol }: Session,
  key: string,
  time: RouteTime,
  answer: Backend | GatewayError,
): void {
  if (!hooks.has('route:end')) return
  const result = answer instanceof Error ? { backend: undefined, error: answer } : { backend: answer, error: undefined }
  hooks.emit('route:end', { session, listener, protocol, key, ...time, ...result })
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
