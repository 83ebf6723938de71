import type { CloseReason, RelayResult, SessionOutcome } from './contracts.ts'
import type { ErrorCode, GatewayError } from './errors.ts'

/** How and why a session ended. */
export interface Ending {
  readonly outcome: SessionOutcome
  readonly reason: CloseReason
  readonly error: GatewayError | undefined
}

const reasons: Partial<Record<ErrorCode, CloseReason>> = {
  PROXY_CLIENT_GONE: 'client',
  PROXY_PEEK_TIMEOUT: 'handshake_timeout',
  PROXY_DRAINING: 'drain',
  PROXY_KILLED: 'killed',
  PROXY_INTERNAL: 'error',
}

/** `refused`: the gateway declined. `failed`: a backend, the client's leaving or a fault of ours broke it off. */
export function endingOfError(error: GatewayError): Ending {
  const failed = error.origin === 'backend' || error.code === 'PROXY_INTERNAL' || error.code === 'PROXY_CLIENT_GONE'
  const reason = reasons[error.code] ?? (failed ? 'error' : 'refused')
  return { outcome: failed ? 'failed' : 'refused', reason, error }
}

export function endingOfServe(routed: boolean, relayed: RelayResult | undefined): Ending {
  return { outcome: routed ? 'relayed' : 'answered', reason: relayed?.reason ?? 'done', error: undefined }
}
