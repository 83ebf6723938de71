import type { Session, Upstream } from '@proxy/kernel'
import { askForTls } from './backend-tls.ts'
import { alpn, requireAlpn } from './opening.ts'
import type { PostgresSettings } from './options.ts'
import { keyOfServerName } from './routing.ts'

/**
 * Routes by the server name of a ClientHello that is not for us. The handshake stays unread, so the relay hands it to the
 * backend; a client that asked with an SSLRequest gets a backend that was asked the same.
 */
export async function routePassthrough(
  session: Session,
  asked: boolean,
  settings: PostgresSettings,
): Promise<Upstream> {
  const hello = await session.client.peekClientHello()
  if (!asked) requireAlpn(hello.alpn.includes(alpn) ? alpn : undefined)
  const key = keyOfServerName(hello.serverName, settings)
  const upstream = await session.route(key, hello.serverName === undefined ? {} : { serverName: hello.serverName })
  if (asked) await askForTls(upstream)
  return upstream
}
