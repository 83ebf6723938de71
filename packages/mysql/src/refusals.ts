import { type ErrorCode, type GatewayError } from '@proxy/kernel'
import { encodeError, encodePacket } from './wire.ts'

interface Refusal {
  readonly number: number
  readonly sqlState: string
  readonly hint?: string
}

const internal: Refusal = { number: 1105, sqlState: 'HY000' }
const unavailable: Refusal = { number: 1105, sqlState: '08S01' }
const unreachable: Refusal = { number: 1105, sqlState: '08S01' }
const tooMany: Refusal = { number: 1040, sqlState: '08004' }
const ending: Refusal = { number: 1053, sqlState: '08S01' }
const denied: Refusal = { number: 1045, sqlState: '28000' }
const malformed: Refusal = { number: 1043, sqlState: '08S01' }

/** undefined = just close: whoever is there does not speak MySQL, or cannot read it. */
const refusals: Readonly<Record<ErrorCode, Refusal | undefined>> = {
  PROXY_RESOLVE_NOT_FOUND: { number: 1049, sqlState: '42000' },
  PROXY_RESOLVE_UNAVAILABLE: unavailable,
  PROXY_RESOLVE_TIMEOUT: unavailable,
  PROXY_RESOLVE_FORBIDDEN: denied,
  PROXY_RESOLVE_INTERNAL: internal,
  PROXY_WAKE_FAILED: unavailable,
  PROXY_WAKE_TIMEOUT: unavailable,
  PROXY_WAKE_QUEUE_FULL: tooMany,
  PROXY_DIAL_REFUSED: unreachable,
  PROXY_DIAL_TIMEOUT: unreachable,
  PROXY_DIAL_UNREACHABLE: unreachable,
  PROXY_DIAL_DNS: unreachable,
  PROXY_DIAL_FORBIDDEN: internal,
  PROXY_DIAL_LOOP: internal,
  PROXY_CIRCUIT_OPEN: unreachable,
  PROXY_BACKEND_UNHEALTHY: unreachable,
  PROXY_BACKEND_NOT_READY: unreachable,
  PROXY_BACKEND_CLOSED: unreachable,
  PROXY_BACKEND_PROTOCOL: unreachable,
  PROXY_BACKEND_TIMEOUT: unreachable,
  PROXY_BACKEND_TLS: unreachable,
  PROXY_CLIENT_GONE: undefined,
  PROXY_PEEK_TIMEOUT: { number: 1159, sqlState: '08S01' },
  PROXY_PEEK_OVERFLOW: { number: 1153, sqlState: '08S01' },
  PROXY_MALFORMED: malformed,
  PROXY_UNSUPPORTED: { number: 1251, sqlState: '08004' },
  PROXY_NO_KEY: { number: 1046, sqlState: '3D000' },
  PROXY_KEY_CONFLICT: malformed,
  PROXY_TLS_HANDSHAKE: undefined,
  PROXY_TLS_REQUIRED: { number: 3159, sqlState: 'HY000', hint: 'Connect with TLS, for example --ssl.' },
  PROXY_TLS_CERTIFICATE: { number: 1045, sqlState: '28000', hint: 'Give a client certificate with --ssl-cert.' },
  PROXY_TLS_INJECTION: malformed,
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

/** The ERR packet for an error; undefined = just close. */
export function refusal(error: GatewayError, sequence: number): Buffer | undefined {
  // A code of a newer kernel is not in this table.
  const known = error.code in refusals ? refusals[error.code] : internal
  if (known === undefined) return undefined
  const hint = error.hint ?? known.hint
  const message = hint === undefined ? error.message : `${error.message}. ${hint}`
  return encodePacket(sequence, encodeError({ ...known, message }))
}

/** For clients whose idle session a drain ends: the answer to a command that was never begun, as a server's own. */
export const goodbye: Buffer = encodePacket(
  1,
  encodeError({ number: 1053, sqlState: '08S01', message: 'Server shutdown in progress' }),
)
