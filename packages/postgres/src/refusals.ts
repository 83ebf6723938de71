import type { ErrorCode, GatewayError } from '@proxy/kernel'
import { encodeFatal } from './wire.ts'

interface Refusal {
  readonly sqlState: string
  readonly hint?: string
}

const starting: Refusal = {
  sqlState: '57P03',
  hint: 'The database is starting or has no room yet: try again in a moment.',
}
const unreachable: Refusal = { sqlState: '08006', hint: 'The database server cannot be reached at the moment.' }
const tooMany: Refusal = { sqlState: '53300', hint: 'Close connections that are not needed, or try again later.' }
const ending: Refusal = { sqlState: '57P01', hint: 'Connect again: another instance takes over.' }
const violation: Refusal = { sqlState: '08P01' }
const internal: Refusal = { sqlState: 'XX000' }
const forbidden: Refusal = { sqlState: '28000' }

/** SQLSTATE and advice for every code. `undefined`: whoever is there cannot read an answer, or is gone. */
const refusals: Readonly<Record<ErrorCode, Refusal | undefined>> = {
  PROXY_RESOLVE_NOT_FOUND: {
    sqlState: '3D000',
    hint: 'Check the name of the database, and that it is served here.',
  },
  PROXY_RESOLVE_UNAVAILABLE: starting,
  PROXY_RESOLVE_TIMEOUT: starting,
  PROXY_RESOLVE_FORBIDDEN: forbidden,
  PROXY_RESOLVE_INTERNAL: internal,
  PROXY_WAKE_FAILED: starting,
  PROXY_WAKE_TIMEOUT: starting,
  PROXY_WAKE_QUEUE_FULL: tooMany,
  PROXY_DIAL_REFUSED: unreachable,
  PROXY_DIAL_TIMEOUT: unreachable,
  PROXY_DIAL_UNREACHABLE: unreachable,
  PROXY_DIAL_DNS: unreachable,
  PROXY_DIAL_FORBIDDEN: { sqlState: '08006' },
  PROXY_DIAL_LOOP: { sqlState: '08006' },
  PROXY_CIRCUIT_OPEN: unreachable,
  PROXY_BACKEND_UNHEALTHY: unreachable,
  PROXY_BACKEND_NOT_READY: unreachable,
  PROXY_BACKEND_CLOSED: unreachable,
  PROXY_BACKEND_PROTOCOL: unreachable,
  PROXY_BACKEND_TIMEOUT: starting,
  PROXY_BACKEND_TLS: { sqlState: '08006', hint: 'The gateway and the database do not agree on TLS.' },
  PROXY_CLIENT_GONE: undefined,
  PROXY_PEEK_TIMEOUT: { sqlState: '08P01', hint: 'Send the whole handshake at once.' },
  PROXY_PEEK_OVERFLOW: violation,
  PROXY_MALFORMED: violation,
  PROXY_UNSUPPORTED: { sqlState: '0A000' },
  PROXY_NO_KEY: { sqlState: '3D000' },
  PROXY_KEY_CONFLICT: { sqlState: '08P01' },
  PROXY_TLS_HANDSHAKE: undefined,
  PROXY_TLS_REQUIRED: { sqlState: '28000', hint: 'Connect with TLS, for example sslmode=require.' },
  PROXY_TLS_CERTIFICATE: { sqlState: '28000', hint: 'Give a client certificate with sslcert and sslkey.' },
  PROXY_TLS_INJECTION: { sqlState: '08P01', hint: 'Bytes behind the request for encryption were not encrypted.' },
  PROXY_TLS_UNAVAILABLE: internal,
  PROXY_PROXY_HEADER: undefined,
  PROXY_LIMIT_CONNECTIONS: tooMany,
  PROXY_LIMIT_RATE: tooMany,
  PROXY_DRAINING: ending,
  PROXY_KILLED: ending,
  PROXY_LISTEN_FAILED: internal,
  PROXY_CONFIG_INVALID: internal,
  PROXY_INTERNAL: internal,
}

/** The FATAL ErrorResponse for an error; undefined = just close. */
export function refusal(error: GatewayError): Buffer | undefined {
  // A code of a newer kernel is not in this table.
  const known = error.code in refusals ? refusals[error.code] : internal
  if (known === undefined) return undefined
  return encodeFatal({ code: known.sqlState, message: error.message, hint: error.hint ?? known.hint })
}

/** For clients whose idle session a drain ends. */
export const goodbye: Buffer = encodeFatal({
  code: '57P01',
  message: 'the gateway is shutting down',
  ...(ending.hint === undefined ? {} : { hint: ending.hint }),
})

/**
 * A fatal TLS alert (RFC 8446 section 6), for a client that has begun a handshake which is not ended here: nothing else
 * would be readable to it.
 */
export function tlsAlert(error: GatewayError): Buffer {
  return Buffer.of(0x15, 0x03, 0x01, 0x00, 0x02, 0x02, alerts[error.code] ?? 80)
}

const alerts: Partial<Record<ErrorCode, number>> = {
  PROXY_TLS_HANDSHAKE: 40,
  PROXY_RESOLVE_FORBIDDEN: 49,
  PROXY_UNSUPPORTED: 120,
  PROXY_NO_KEY: 112,
  PROXY_RESOLVE_NOT_FOUND: 112,
}
