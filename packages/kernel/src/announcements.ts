import type { Backend, Session, Upstream } from './contracts.ts'
import type { GatewayError } from './errors.ts'
import type { PipelineParts } from './pipeline.ts'

/** When a route began; 0 when nobody will be told how long it took. */
export function routeStart({ hooks, clock }: PipelineParts): number {
  return hooks.has('route:end') ? clock.now() : 0
}

export function announceRoute(
  { hooks, clock }: PipelineParts,
  { id: session, listener, protocol }: Session,
  key: string,
  startedAt: number,
  answer: Backend | GatewayError,
): void {
  if (!hooks.has('route:end')) return
  const durationMs = startedAt === 0 ? 0 : clock.now() - startedAt
  const result = answer instanceof Error ? { backend: undefined, error: answer } : { backend: answer, error: undefined }
  hooks.emit('route:end', { session, listener, protocol, key, durationMs, wakeMs: 0, ...result })
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
