import { type ErrorCode, GatewayError } from '@proxy/kernel'

/** `code` for a client that goes on, 421 for one that is left; the enhanced code (RFC 3463) says the same in both. */
interface Refusal {
  readonly code: 500 | 530 | 550 | 554 | 451
  readonly status: string
}

const later: Refusal = { code: 451, status: '4.3.2' }
const misconfigured: Refusal = { code: 451, status: '4.3.5' }
const unreachable: Refusal = { code: 451, status: '4.4.1' }
const tooMany: Refusal = { code: 451, status: '4.7.0' }
const noTenant: Refusal = { code: 550, status: '5.1.2' }
const denied: Refusal = { code: 550, status: '5.7.1' }
const syntax: Refusal = { code: 554, status: '5.5.2' }
const tlsRequired: Refusal = { code: 530, status: '5.7.0' }

/**
 * A reply for every code. Mail bounces for good on 5xx, so that is said only of what will not change by itself: an
 * unknown tenant, a denial, malformed input. `undefined`: whoever is there cannot read a reply, or is gone.
 */
const refusals: Readonly<Record<ErrorCode, Refusal | undefined>> = {
  PROXY_RESOLVE_NOT_FOUND: noTenant,
  PROXY_RESOLVE_UNAVAILABLE: later,
  PROXY_RESOLVE_TIMEOUT: later,
  PROXY_RESOLVE_FORBIDDEN: denied,
  PROXY_RESOLVE_INTERNAL: { code: 451, status: '4.3.0' },
  PROXY_WAKE_FAILED: later,
  PROXY_WAKE_TIMEOUT: later,
  PROXY_WAKE_QUEUE_FULL: later,
  PROXY_DIAL_REFUSED: unreachable,
  PROXY_DIAL_TIMEOUT: unreachable,
  PROXY_DIAL_UNREACHABLE: unreachable,
  PROXY_DIAL_DNS: unreachable,
  PROXY_DIAL_FORBIDDEN: misconfigured,
  PROXY_DIAL_LOOP: misconfigured,
  PROXY_CIRCUIT_OPEN: unreachable,
  PROXY_BACKEND_UNHEALTHY: unreachable,
  PROXY_BACKEND_NOT_READY: unreachable,
  PROXY_BACKEND_CLOSED: { code: 451, status: '4.4.2' },
  PROXY_BACKEND_PROTOCOL: later,
  PROXY_BACKEND_TIMEOUT: { code: 451, status: '4.4.2' },
  PROXY_BACKEND_TLS: misconfigured,
  PROXY_CLIENT_GONE: undefined,
  PROXY_PEEK_TIMEOUT: { code: 451, status: '4.4.2' },
  PROXY_PEEK_OVERFLOW: { code: 500, status: '5.5.2' },
  PROXY_MALFORMED: syntax,
  PROXY_UNSUPPORTED: { code: 554, status: '5.5.1' },
  PROXY_NO_KEY: noTenant,
  PROXY_KEY_CONFLICT: noTenant,
  PROXY_TLS_HANDSHAKE: undefined,
  PROXY_TLS_REQUIRED: tlsRequired,
  PROXY_TLS_CERTIFICATE: denied,
  PROXY_TLS_INJECTION: { code: 554, status: '5.5.0' },
  PROXY_TLS_UNAVAILABLE: misconfigured,
  PROXY_PROXY_HEADER: undefined,
  PROXY_LIMIT_CONNECTIONS: tooMany,
  PROXY_LIMIT_RATE: tooMany,
  PROXY_DRAINING: later,
  PROXY_KILLED: later,
  PROXY_LISTEN_FAILED: misconfigured,
  PROXY_CONFIG_INVALID: misconfigured,
  PROXY_INTERNAL: { code: 451, status: '4.3.0' },
}

function refusalOf(error: GatewayError): Refusal | undefined {
  // A code of a newer kernel is not in this table.
  return error.code in refusals ? refusals[error.code] : refusals.PROXY_INTERNAL
}

/** Asking again will not help: the client is told so, and may go on with something else. */
export function isPermanent(error: GatewayError): boolean {
  return (refusalOf(error)?.code ?? 0) >= 500
}

/** The reply to a command that failed while the session goes on. */
export function failureReply(error: GatewayError): string {
  const { code, status } = refusalOf(error) ?? later
  return replyOf(code, status, textOf(error))
}

/** The last reply of a session that ends with `error`; undefined = just close. */
export function lastReply(error: GatewayError): string | undefined {
  const refusal = refusalOf(error)
  if (refusal === undefined) return undefined
  return replyOf(refusal.code === 451 ? 421 : refusal.code, refusal.status, textOf(error))
}

/** For whoever speaks another protocol. */
export function foreign(): GatewayError {
  return new GatewayError('PROXY_UNSUPPORTED', { message: 'this is a mail server' })
}

function replyOf(code: number, status: string, text: string): string {
  return `${code} ${status} ${text}\r\n`
}

function textOf(error: GatewayError): string {
  const text = error.hint === undefined ? error.message : `${error.message} (${error.hint})`
  // Replies are one line of ASCII, whatever somebody wrote into an error.
  return text.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, 400)
}
