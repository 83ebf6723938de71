import { GatewayError, type Session } from '@proxy/kernel'
import { parseStartup, type StartupMessage } from './startup-message.ts'
import { openingFramer, packetCode, packetFramer, requestCodes, tlsHandshakeByte } from './wire.ts'

/** ALPN name of the protocol, required of clients that begin with TLS. */
export const alpn = 'postgresql'

/** What a client has opened its connection with. */
export type Opening =
  | { readonly kind: 'startup'; readonly startup: StartupMessage }
  | { readonly kind: 'cancel'; readonly packet: Buffer }
  /** A ClientHello comes next and is not for us; `asked`: behind an SSLRequest that was granted. */
  | { readonly kind: 'passthrough'; readonly asked: boolean }

/** Remembers who is in the middle of a TLS handshake, and can read nothing but TLS. */
export interface TlsMarks {
  add(session: Session): unknown
  delete(session: Session): unknown
}

/** How far the client got; SSLRequest and GSSENCRequest are each answered once, and not inside TLS. */
interface Asked {
  tls: boolean
  gss: boolean
}

/** Grants or declines encryption until the client says what it wants. */
export async function openClient(session: Session, marks: TlsMarks): Promise<Opening> {
  const { client } = session
  if (client.tls !== undefined) requireAlpn(client.tls.alpn)
  const asked: Asked = { tls: client.tls !== undefined, gss: client.tls !== undefined }
  const first = await client.peek(openingFramer)
  if (first[0] === tlsHandshakeByte) {
    if (session.tlsMode === 'passthrough') return { kind: 'passthrough', asked: false }
    await beginDirectTls(session, marks)
    asked.tls = asked.gss = true
  }
  for (;;) {
    const opening = await step(session, await client.read(packetFramer), asked)
    if (opening !== undefined) return opening
  }
}

async function step(session: Session, packet: Buffer, asked: Asked): Promise<Opening | undefined> {
  switch (packetCode(packet)) {
    case requestCodes.ssl:
      return answerSslRequest(session, packet, asked)
    case requestCodes.gssenc:
      return answerGssRequest(session, packet, asked)
    case requestCodes.cancel:
      return { kind: 'cancel', packet }
    default:
      return { kind: 'startup', startup: parseStartup(packet) }
  }
}

async function answerSslRequest(session: Session, packet: Buffer, asked: Asked): Promise<Opening | undefined> {
  const { client, tlsMode } = session
  checkRequest(packet, asked.tls)
  asked.tls = true
  if (tlsMode === 'negotiated') {
    await client.secure('S')
    asked.gss = true
    return undefined
  }
  refusePipelined(session)
  await client.write(tlsMode === 'passthrough' ? 'S' : 'N')
  return tlsMode === 'passthrough' ? { kind: 'passthrough', asked: true } : undefined
}

async function answerGssRequest(session: Session, packet: Buffer, asked: Asked): Promise<undefined> {
  checkRequest(packet, asked.gss)
  asked.gss = true
  refusePipelined(session)
  await session.client.write('N')
}

function checkRequest(packet: Buffer, again: boolean): void {
  if (again) throw new GatewayError('PROXY_MALFORMED', { message: 'encryption was requested twice' })
  if (packet.length !== 8) throw new GatewayError('PROXY_MALFORMED', { message: 'invalid length of startup packet' })
}

/** A client that speaks before our answer may be one whose bytes somebody else began (CVE-2021-23214). */
function refusePipelined({ client }: Session): void {
  if (client.unread > 0) throw new GatewayError('PROXY_TLS_INJECTION')
}

/** TLS from the first byte on (`sslnegotiation=direct`). ALPN keeps clients of other protocols out. */
async function beginDirectTls(session: Session, marks: TlsMarks): Promise<void> {
  const { client } = session
  marks.add(session)
  if (session.tlsMode !== 'negotiated') throw new GatewayError('PROXY_TLS_UNAVAILABLE')
  const hello = await client.peekClientHello()
  requireAlpn(hello.alpn.includes(alpn) ? alpn : undefined)
  await client.secure()
  marks.delete(session)
}

export function requireAlpn(agreed: string | undefined): void {
  if (agreed === alpn) return
  throw new GatewayError('PROXY_UNSUPPORTED', { message: `TLS from the first byte needs the ALPN protocol ${alpn}` })
}
