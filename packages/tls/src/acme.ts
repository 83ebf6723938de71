import { createSecureContext, TLSSocket } from 'node:tls'
import type { Duplex } from 'node:stream'
import type { ClientHello } from '@proxy/kernel'
import { handshake } from './handshake.ts'
import type { TlsOptions } from './options.ts'

const challengeAlpn = 'acme-tls/1'

/** The certificate for a `tls-alpn-01` challenge (RFC 8737 section 3); undefined when this is none, or not ours. */
export async function challengeContext(
  { serverName, alpn }: ClientHello,
  acme: TlsOptions['acme'],
): Promise<AcmeContext> {
  if (acme === undefined || serverName === undefined || alpn.length !== 1 || alpn[0] !== challengeAlpn) return undefined
  const certificate = await acme(serverName)
  return certificate === undefined ? undefined : createSecureContext({ ...certificate, minVersion: 'TLSv1.2' })
}

type AcmeContext = ReturnType<typeof createSecureContext> | undefined

/** Completes the handshake and closes: the authority asks for nothing more. */
export async function answerChallenge(
  stream: Duplex,
  secureContext: NonNullable<AcmeContext>,
  signal: AbortSignal,
): Promise<void> {
  const socket = new TLSSocket(stream, { isServer: true, secureContext, ALPNProtocols: [challengeAlpn] })
  await handshake(socket, 'secure', signal)
  socket.end()
}
