import { type ErrorCode, GatewayError, type Session, type Upstream } from '@proxy/kernel'
import type { MongodbSettings } from './options.ts'
import { keyOfServerName } from './routing.ts'

/** Routes by the server name of a ClientHello that is not for us. The handshake stays unread, so the backend gets it. */
export async function routePassthrough(session: Session, settings: MongodbSettings): Promise<Upstream> {
  const { serverName } = await session.client.peekClientHello()
  const key = keyOfServerName(serverName, settings)
  if (key === undefined) throw new GatewayError('PROXY_NO_KEY')
  return session.route(key, serverName === undefined ? {} : { serverName })
}

const alertInternalError = 80

/** RFC 8446 section 6.2. */
const alerts: Partial<Record<ErrorCode, number>> = {
  PROXY_RESOLVE_FORBIDDEN: 49,
  PROXY_NO_KEY: 112,
  PROXY_RESOLVE_NOT_FOUND: 112,
}

/** A fatal alert, for a client that can read nothing but TLS. What cannot even begin TLS would not understand it. */
export function tlsAlert(error: GatewayError): Buffer | undefined {
  if (error.code === 'PROXY_TLS_HANDSHAKE') return undefined
  return Buffer.of(0x15, 0x03, 0x03, 0x00, 0x02, 0x02, alerts[error.code] ?? alertInternalError)
}
