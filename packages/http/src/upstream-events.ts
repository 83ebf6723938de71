import type { GatewayError, Hooks, Session, Upstream } from '@proxy/kernel'

/** A request was answered. */
export function announceAnswer(hooks: Hooks, session: Session, { key, backend, endpoint }: Upstream): void {
  if (!hooks.has('upstream:answer')) return
  const { id, listener, protocol } = session
  hooks.emit('upstream:answer', { session: id, listener, protocol, key, backend, endpoint })
}

/** A request was sent, and its connection broke off, talked nonsense or was silent before the response. */
export function announceFault(
  hooks: Hooks,
  session: Session,
  { key, backend, endpoint }: Upstream,
  error: GatewayError,
): void {
  if (!hooks.has('upstream:fault')) return
  const { id, listener, protocol } = session
  hooks.emit('upstream:fault', { session: id, listener, protocol, key, backend, endpoint, error })
}
