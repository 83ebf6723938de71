import { GatewayError } from '../errors.ts'

const RETRY_AFTER_MS = 1_000

/** Time was up; `cause` is what the backend, or the resolver, said last. */
export function wakeTimeout(cause?: GatewayError): GatewayError {
  return new GatewayError('PROXY_WAKE_TIMEOUT', { cause, retryAfterMs: RETRY_AFTER_MS })
}

export function queueFull(): GatewayError {
  return new GatewayError('PROXY_WAKE_QUEUE_FULL', { retryAfterMs: RETRY_AFTER_MS })
}

/** A tenant that is gone or closed is that, woken or not; everything else that a resolver says is a start that failed. */
export function wakeFailed(cause: unknown): GatewayError {
  if (!GatewayError.is(cause)) return new GatewayError('PROXY_WAKE_FAILED', { cause, retryAfterMs: RETRY_AFTER_MS })
  if (cause.code === 'PROXY_RESOLVE_NOT_FOUND' || cause.code === 'PROXY_RESOLVE_FORBIDDEN') return cause
  const { hint, retryAfterMs = RETRY_AFTER_MS } = cause
  const code = cause.code === 'PROXY_RESOLVE_TIMEOUT' ? 'PROXY_WAKE_TIMEOUT' : 'PROXY_WAKE_FAILED'
  return new GatewayError(code, { cause, hint, retryAfterMs })
}
