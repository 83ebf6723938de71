import { createHash, hkdfSync, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import { GatewayError } from '@proxy/kernel'
import type { CertificateOptions, TlsOptions } from './options.ts'
import { type Files, textOf } from './pem.ts'
import { foldServerName, isCertificateName } from './server-name.ts'

const ticketKeyBytes = 48
const sessionIdContextBytes = 32

/** A certificate ready for handshakes, and whom it asks for theirs. */
export interface Identity {
  /** Equal for equal certificates and equal demands on clients, in every process. */
  readonly id: string
  /** Folded; the ones that the options give by name, else those of the certificate. */
  readonly names: readonly string[]
  /** The names were given by the options. */
  readonly named: boolean
  readonly context: SecureContext
  readonly asksClient: boolean
  readonly requiresClient: boolean
}

interface Material {
  readonly cert: string
  readonly key: string
  readonly passphrase: string | undefined
  readonly ca: string | undefined
  readonly requiresClient: boolean
}

/**
 * Makes the identity of `certificates[index]`; reuses that of `previous` when nothing about it changed, so that its
 * sessions can still be resumed. Throws `PROXY_CONFIG_INVALID`.
 */
export function identityOf(
  index: number,
  certificate: CertificateOptions,
  options: TlsOptions,
  files: Files,
  previous: ReadonlyMap<string, Identity>,
): Identity {
  const material = materialOf(index, certificate, options, files)
  const id = idOf(material, certificate, options)
  const known = previous.get(id)
  if (known !== undefined) return known
  const context = contextOf(index, id, material, options)
  const names = namesOf(index, certificate, material)
  const named = certificate.serverNames !== undefined
  return { id, names, named, context, asksClient: material.ca !== undefined, requiresClient: material.requiresClient }
}

function materialOf(index: number, certificate: CertificateOptions, options: TlsOptions, files: Files): Material {
  const ca = certificate.ca ?? options.ca
  const requiresClient = certificate.requireClientCert ?? options.requireClientCert ?? false
  // Without authorities of our own, every certificate that a public one has signed would do.
  if (requiresClient && ca === undefined) throw invalid(index, 'requireClientCert needs ca')
  return {
    cert: textOf(certificate.cert, files),
    key: textOf(certificate.key, files),
    passphrase: certificate.passphrase,
    ca: ca === undefined ? undefined : textOf(ca, files),
    requiresClient,
  }
}

function idOf(material: Material, { serverNames }: CertificateOptions, options: TlsOptions): string {
  const { minVersion, maxVersion, ciphers } = options
  return createHash('sha256')
    .update(JSON.stringify([material, serverNames, minVersion, maxVersion, ciphers]))
    .digest('hex')
}

function contextOf(index: number, id: string, material: Material, options: TlsOptions): SecureContext {
  const { cert, key, passphrase, ca } = material
  const { minVersion = 'TLSv1.2', maxVersion, ciphers, ticketKeys } = options
  try {
    return createSecureContext({
      cert,
      key,
      passphrase,
      ca,
      minVersion,
      maxVersion,
      ciphers,
      // Both keep a session of one identity from being resumed at another, whose demands on clients it never met.
      sessionIdContext: id.slice(0, sessionIdContextBytes),
      ticketKeys: ticketKeys === undefined ? undefined : ticketKeysOf(id, ticketKeys),
    })
  } catch (error) {
    throw invalid(index, 'its cert, key or ca cannot be used', error)
  }
}

function ticketKeysOf(id: string, shared: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', shared, '', `@proxy/tls tickets of ${id}`, ticketKeyBytes))
}

function namesOf(index: number, { serverNames }: CertificateOptions, { cert }: Material): string[] {
  if (serverNames === undefined) return dnsNames(cert).map(foldServerName).filter(isCertificateName)
  const names = serverNames.map(foldServerName)
  const wrong = names.findIndex((name) => !isCertificateName(name))
  if (wrong !== -1) throw invalid(index, `'${serverNames[wrong]}' is neither a host name nor '*.' and a host name`)
  return names
}

const quoted = /"(?:[^"\\]|\\.)*"/g

function dnsNames(cert: string): string[] {
  // A name that holds a comma comes quoted; it is no host name, and what is in it must not be taken for one.
  const names = new X509Certificate(cert).subjectAltName?.replaceAll(quoted, '').split(', ') ?? []
  return names.filter((name) => name.startsWith('DNS:')).map((name) => name.slice('DNS:'.length))
}

function invalid(index: number, why: string, cause?: unknown): GatewayError {
  return new GatewayError('PROXY_CONFIG_INVALID', { message: `tls: certificates[${index}]: ${why}`, cause })
}
