import type { Duplex } from 'node:stream'
import { createSecureContext, TLSSocket } from 'node:tls'
import type { ClientHello } from '@proxy/kernel'
import { handshake } from './handshake.ts'
import type { TlsOptions } from './options.ts'

const challengeAlpn = 'acme-tls/1'

/**
 * Answers a `tls-alpn-01` challenge (RFC 8737 section 3): the handshake is completed with the certificate that `acme`
 * gives, then closed, as the authority asks for nothing more. False: it is no challenge, or not one for us.
 */
export async function answerChallenge(
  stream: Duplex,
  { serverName, alpn }: ClientHello,
  acme: TlsOptions['acme'],
  signal: AbortSignal,
): Promise<boolean> {
  if (acme === undefined || serverName === undefined || alpn.length !== 1 || alpn[0] !== challengeAlpn) return false
  const certificate = await acme(serverName)
  if (certificate === undefined) return false
  const secureContext = createSecureContext({ ...certificate, minVersion: 'TLSv1.2' })
  const socket = new TLSSocket(stream, { isServer: true, secureContext, ALPNProtocols: [challengeAlpn] })
  await handshake(socket, 'secure', signal)
  socket.end()
  return true
}
