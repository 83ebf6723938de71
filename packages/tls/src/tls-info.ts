import type { TLSSocket } from 'node:tls'
import type { PeerCertificate, TlsInfo } from '@proxy/kernel'

/** What was agreed on. `verified`: the peer's certificate, if any, has passed verification. */
export function tlsInfo(socket: TLSSocket, serverName: string | undefined, verified: boolean): TlsInfo {
  return {
    version: socket.getProtocol() ?? '',
    cipher: socket.getCipher().standardName,
    serverName,
    alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined,
    certificate: verified ? peerCertificate(socket) : undefined,
  }
}

function peerCertificate(socket: TLSSocket): PeerCertificate | undefined {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return undefined
  const { subject, issuer, fingerprint256, subjectAltName } = certificate
  return { subject, issuer, fingerprint256, subjectAltName }
}
