import { isAbsolute, resolve } from 'node:path'
import type { ListenerTls } from '@proxy/kernel'
import { type CertificateOptions, type Pem, type ReloadableTls, tls } from '@proxy/tls'
import { namedProtocol } from './protocol-names.ts'
import type { ListenerConfig, TlsConfig } from './types.ts'

/** TLS of a listener; paths of PEM files are relative to the config file. */
export function listenerTls(
  listener: ListenerConfig,
  directory: string,
  ticketKeys: Buffer,
): ReloadableTls | undefined {
  const config = listener.tls
  if (config === undefined || config.mode === 'off') return undefined
  const { cert: _cert, key: _key, certificates: _certificates, mode = defaultMode(listener), ca, ...rest } = config
  const at = (pem: Pem): Pem => located(pem, directory)
  return tls({
    ...rest,
    mode,
    ...(ca === undefined ? {} : { ca: at(ca) }),
    ...(mode === 'passthrough' ? {} : { certificates: allCertificates(config).map((one) => relocated(one, at)) }),
    ticketKeys: config.ticketKeys ?? ticketKeys,
  })
}

function defaultMode({ protocol }: ListenerConfig): ListenerTls['mode'] {
  const named = typeof protocol === 'string' ? namedProtocol(protocol) : undefined
  const mode = named !== undefined && 'tls' in named ? named.tls[0] : undefined
  return mode === undefined || mode === 'off' ? 'implicit' : mode
}

function allCertificates({ cert, key, certificates = [] }: TlsConfig): readonly CertificateOptions[] {
  return cert === undefined || key === undefined ? certificates : [{ cert, key }, ...certificates]
}

const relocated = (one: CertificateOptions, at: (pem: Pem) => Pem): CertificateOptions => ({
  ...one,
  cert: at(one.cert),
  key: at(one.key),
  ...(one.ca === undefined ? {} : { ca: at(one.ca) }),
})

function located(pem: Pem, directory: string): Pem {
  if (typeof pem !== 'string' || pem.includes('-----BEGIN ') || isAbsolute(pem)) return pem
  return resolve(directory, pem)
}
