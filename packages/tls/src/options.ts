import type { SecureVersion } from 'node:tls'
import type { ListenerTls } from '@proxy/kernel'

/** PEM text, PEM bytes, or the path of a PEM file. Files are read again when they change. */
export type Pem = string | Buffer

/** One certificate and the server names (SNI) that it serves. */
export interface CertificateOptions {
  /** The certificate, followed by the intermediates. */
  readonly cert: Pem
  /** The certificate's private key. */
  readonly key: Pem
  /** Of an encrypted key. */
  readonly passphrase?: string | undefined
  /** Host names, exact (`db.example.com`) or wildcard (`*.example.com`). Default: the certificate's own DNS names. */
  readonly serverNames?: readonly string[] | undefined
  /** Authorities that may sign client certificates for these names. Default: that of the listener. */
  readonly ca?: Pem | undefined
  /** Default: that of the listener. */
  readonly requireClientCert?: boolean | undefined
}

/** What an authority must be shown to prove that a name is ours (RFC 8737). */
export interface AcmeCertificate {
  readonly cert: string | Buffer
  readonly key: string | Buffer
}

export interface TlsOptions {
  /** Default `implicit`. */
  readonly mode?: ListenerTls['mode'] | undefined
  /** `negotiated` only: refuse clients that go on without TLS. Default false. */
  readonly required?: boolean | undefined
  /** At least one, unless the mode is `passthrough`. The first one serves clients that no other one serves. */
  readonly certificates?: readonly CertificateOptions[] | undefined
  /** `default`: names that no certificate has, and clients that send none, get the first certificate. */
  readonly unknownNames?: 'default' | 'refuse' | undefined
  /** Authorities that may sign client certificates. Clients are then asked for one, and a bad one is refused. */
  readonly ca?: Pem | undefined
  /** Refuse clients that show no certificate. Needs `ca`. Default false. */
  readonly requireClientCert?: boolean | undefined
  /** Default `TLSv1.2`. */
  readonly minVersion?: SecureVersion | undefined
  /** Default: the highest that Node knows. */
  readonly maxVersion?: SecureVersion | undefined
  /** OpenSSL's cipher list. Default: Node's. */
  readonly ciphers?: string | undefined
  /** At least 32 secret bytes that the workers share, so that a session begun in one is resumed in another. */
  readonly ticketKeys?: Buffer | undefined
  /** Besides watching their directories, files are looked at this often, in milliseconds; 0 = never. Default 60,000. */
  readonly reloadIntervalMs?: number | undefined
  /** Answers `tls-alpn-01` challenges (RFC 8737) for the names that it knows. */
  readonly acme?: ((serverName: string) => AcmeResult | Promise<AcmeResult>) | undefined
}

type AcmeResult = AcmeCertificate | undefined
