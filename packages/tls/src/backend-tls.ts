import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import {
  type BackendTls,
  type BackendTlsProvider,
  GatewayError,
  isIp,
  type Link,
  type Secured,
  type SecureRequest,
  streamLink,
} from '@proxy/kernel'
import { handshake } from './handshake.ts'
import { tlsInfo } from './tls-info.ts'

/** Kinds of backends that are remembered, each with its context and its sessions. */
const maxClients = 1_000
/** Sessions that are kept for each kind, one for each server name. */
const maxSessions = 100

/** What went wrong, as far as a client may know. */
const verdicts: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not trusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not trusted',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate is not trusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not trusted',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'it asks for a client certificate',
}

/** The client end of TLS towards one kind of backend: its context, and sessions to resume by server name. */
interface Client {
  readonly context: SecureContext
  readonly sessions: Map<string, Buffer>
}

/**
 * The client end of TLS, towards backends. The server name is that of the resolution or the endpoint's host name (an IP
 * address is verified, but not sent). Rejects with `PROXY_BACKEND_TLS`; the link is then closed.
 */
export function backendTls(): BackendTlsProvider {
  return new ClientTls()
}

class ClientTls implements BackendTlsProvider {
  readonly #clients: Map<string, Client> = new Map()

  async secure(link: Link, tls: BackendTls, host: string, request: SecureRequest): Promise<Secured> {
    const { context, sessions } = this.#client(tls)
    const name = tls.serverName ?? host
    const serverName = isIp(name) ? undefined : name
    const session = sessions.get(name)
    const socket = connect({
      socket: link.socket(request.unread),
      secureContext: context,
      host: name,
      ...(serverName === undefined ? {} : { servername: serverName }),
      ...(session === undefined ? {} : { session }),
      ...(request.alpn.length === 0 ? {} : { ALPNProtocols: [...request.alpn] }),
      rejectUnauthorized: tls.insecure !== true,
    })
    socket.on('session', (ticket) => keep(sessions, name, ticket))
    await complete(socket, request.signal)
    return { link: streamLink(socket, link), tls: tlsInfo(socket, serverName, tls.insecure !== true) }
  }

  /** By what is in it, as many resolvers make a new object for each answer. */
  #client(tls: BackendTls): Client {
    const kind = kindOf(tls)
    const known = this.#clients.get(kind)
    if (known !== undefined) return known
    const client = { context: contextOf(tls), sessions: new Map<string, Buffer>() }
    dropOldest(this.#clients, maxClients)
    this.#clients.set(kind, client)
    return client
  }
}

/** Whatever a session was verified by must be in it: a resumed one is not verified again. */
function kindOf({ insecure = false, ca, cert, key }: BackendTls): string {
  return JSON.stringify([insecure, ca?.toString(), cert?.toString(), key?.toString()])
}

function dropOldest(map: Map<string, unknown>, limit: number): void {
  const [oldest] = map.keys()
  if (map.size >= limit && oldest !== undefined) map.delete(oldest)
}

function contextOf({ ca, cert, key }: BackendTls): SecureContext {
  try {
    return createSecureContext({ ca, cert, key, minVersion: 'TLSv1.2' })
  } catch (cause) {
    throw new GatewayError('PROXY_BACKEND_TLS', { cause })
  }
}

function keep(sessions: Map<string, Buffer>, name: string, ticket: Buffer): void {
  if (!sessions.has(name)) dropOldest(sessions, maxSessions)
  sessions.set(name, ticket)
}

async function complete(socket: TLSSocket, signal: AbortSignal): Promise<void> {
  try {
    await handshake(socket, 'secureConnect', signal)
  } catch (error) {
    if (GatewayError.is(error)) throw error
    const verdict = verdicts[(error as NodeJS.ErrnoException).code ?? '']
    const message = verdict === undefined ? undefined : `TLS with the backend failed: ${verdict}`
    throw new GatewayError('PROXY_BACKEND_TLS', { message, cause: error })
  }
}
