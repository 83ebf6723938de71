import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { type ClientHello, GatewayError, type SecureRequest } from '@proxy/kernel'
import { handshake } from './handshake.ts'
import type { Identity } from './identity.ts'
import { foldServerName } from './server-name.ts'

/** What `TLSSocket` does not declare: a server that owns none of its sockets must ask for the verdict itself. */
interface Verdict {
  verifyError(): Error | null | undefined
}

/**
 * The server end of a handshake whose ClientHello is known. Rejects with `PROXY_TLS_HANDSHAKE`, or `PROXY_TLS_CERTIFICATE`
 * when the client showed none or a bad one; the stream is then destroyed.
 */
export async function accept(
  stream: Duplex,
  hello: ClientHello,
  identity: Identity,
  request: SecureRequest,
): Promise<TLSSocket> {
  const socket = new TLSSocket(stream, {
    isServer: true,
    secureContext: identity.context,
    requestCert: identity.asksClient,
    rejectUnauthorized: identity.requiresClient,
    // Without a list of ours, whatever the client offers is ignored; with one, no overlap is fatal (RFC 7301).
    ...(request.alpn.length === 0 ? {} : { ALPNProtocols: [...request.alpn] }),
  })
  // A server socket that no `tls.Server` made keeps errors that come after the handshake to itself, and goes deaf.
  socket.on('_tlsError', destroy)
  try {
    await handshake(socket, 'secure', request.signal)
    socket.disableRenegotiation()
    verifyName(socket, hello)
    if (identity.asksClient) verifyClient(socket, identity.requiresClient)
    return socket
  } catch (error) {
    socket.destroy()
    throw toGatewayError(error)
  }
}

function destroy(this: TLSSocket, error: Error): void {
  this.destroy(error)
}

/** TLS 1.3 may ask for a second ClientHello, which must not turn a connection judged by one name into another's. */
function verifyName(socket: TLSSocket, hello: ClientHello): void {
  if (socket.getProtocol() !== 'TLSv1.3') return
  const name = typeof socket.servername === 'string' ? foldServerName(socket.servername) : undefined
  if (name !== hello.serverName) throw new Error('the server name changed during the handshake')
}

/** OpenSSL lets bad certificates pass and remembers why they are bad: Node leaves the verdict to the server. */
function verifyClient(socket: TLSSocket, required: boolean): void {
  if (socket.getPeerX509Certificate() === undefined) {
    if (required) throw new GatewayError('PROXY_TLS_CERTIFICATE')
    return
  }
  const error = (socket as unknown as { readonly ssl: Verdict }).ssl.verifyError()
  if (error instanceof Error) throw new GatewayError('PROXY_TLS_CERTIFICATE', { cause: error })
}

function toGatewayError(error: unknown): GatewayError {
  const { code } = error as NodeJS.ErrnoException
  return GatewayError.from(
    error,
    code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE' ? 'PROXY_TLS_CERTIFICATE' : 'PROXY_TLS_HANDSHAKE',
  )
}
