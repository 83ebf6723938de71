import type { ErrorCode, GatewayError, Session } from '@proxy/kernel'

/** Text protocols whose error is one line. */
const lines: Readonly<Record<string, (message: string) => string>> = {
  redis: (message) => `-ERR ${message}\r\n`,
  memcached: (message) => `SERVER_ERROR ${message}\r\n`,
}

const lineBreaks = /[\r\n]+/g

// RFC 8446 section 6.2.
const alertAccessDenied = 49
const alertInternalError = 80
const alertUnrecognizedName = 112

const alerts: Partial<Record<ErrorCode, number>> = {
  PROXY_NO_KEY: alertUnrecognizedName,
  PROXY_RESOLVE_NOT_FOUND: alertUnrecognizedName,
  PROXY_RESOLVE_FORBIDDEN: alertAccessDenied,
}

/** Within TLS that is not ours the client understands an alert; elsewhere only a few protocols have an error to send. */
export function refusal(name: string, error: GatewayError, session: Session): Uint8Array | string | undefined {
  if (session.tlsMode !== 'passthrough') return lines[name]?.(error.message.replaceAll(lineBreaks, ' '))
  // What cannot even begin TLS would not understand its alert.
  if (error.code === 'PROXY_TLS_HANDSHAKE') return undefined
  return Uint8Array.of(21, 3, 3, 0, 2, 2, alerts[error.code] ?? alertInternalError)
}
