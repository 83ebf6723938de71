import { GatewayError, type Session } from '@proxy/kernel'
import { isSslRequest, type LoginPacket, parseLogin } from './login.ts'
import type { ClientEnd } from './packets.ts'

export interface ClientLogin {
  readonly login: LoginPacket
  /** The client asked for TLS in-band: it takes the connection for protected. */
  readonly inBandTls: boolean
}

/**
 * Reads what the client answers to the greeting, and begins TLS when that is what it asks for. What came in the same segment
 * as the request is taken for the beginning of the TLS handshake and for nothing else, so nothing can be slipped in (CVE-2011-0411).
 */
export async function readLogin(session: Session, client: ClientEnd): Promise<ClientLogin> {
  let payload = await client.read()
  const inBandTls = isSslRequest(payload)
  if (inBandTls) {
    if (!session.client.canSecure) throw new GatewayError('PROXY_UNSUPPORTED', { message: 'TLS is not offered here' })
    await session.client.secure()
    payload = await client.read()
  }
  if (session.client.tls === undefined && session.tlsRequired) throw new GatewayError('PROXY_TLS_REQUIRED')
  return { login: parseLogin(payload), inBandTls }
}
