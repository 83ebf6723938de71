import { type ClientHello, GatewayError, type Session } from '@proxy/kernel'
import type { Extract, Extracted, TcpOptions } from './options.ts'

const noServerName = 'the connection has no TLS server name (SNI) to be routed by'

/**
 * Which tenant a connection is for: the listener's own key, what the extractor finds, or the TLS server name. Within TLS
 * that is passed through there is nothing to extract from.
 */
export async function routeKey(session: Session, { key, extract }: TcpOptions): Promise<Extracted> {
  if (key !== undefined) return { key }
  if (extract !== undefined && session.tlsMode !== 'passthrough') return extractKey(session, extract)
  const serverName = await serverNameOf(session)
  if (serverName === undefined) throw new GatewayError('PROXY_NO_KEY', { message: noServerName })
  return { key: serverName }
}

async function serverNameOf({ client, tlsMode }: Session): Promise<string | undefined> {
  if (tlsMode !== 'passthrough') return client.tls?.serverName
  const hello: ClientHello = await client.peekClientHello()
  return hello.serverName
}

async function extractKey({ client }: Session, extract: Extract): Promise<Extracted> {
  let found: Extracted | undefined
  await client.peek((bytes) => {
    found = tryExtract(extract, bytes, client.tls)
    return found === undefined ? 0 : 1
  })
  if (found === undefined || found.key === '') throw new GatewayError('PROXY_NO_KEY')
  return found
}

function tryExtract(extract: Extract, ...args: Parameters<Extract>): Extracted | undefined {
  try {
    return extract(...args)
  } catch (error) {
    throw GatewayError.from(error, 'PROXY_MALFORMED')
  }
}
