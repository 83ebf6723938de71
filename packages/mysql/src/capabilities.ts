import { GatewayError } from '@proxy/kernel'
import type { Feature } from './options.ts'

/** Capability flags (MySQL "Capabilities Flags"). */
export const capabilities = {
  longPassword: 0x1,
  foundRows: 0x2,
  longFlag: 0x4,
  connectWithDb: 0x8,
  noSchema: 0x10,
  odbc: 0x40,
  localFiles: 0x80,
  ignoreSpace: 0x100,
  protocol41: 0x200,
  interactive: 0x400,
  ssl: 0x800,
  ignoreSigpipe: 0x1000,
  transactions: 0x2000,
  reserved: 0x4000,
  secureConnection: 0x8000,
  multiStatements: 0x10000,
  multiResults: 0x20000,
  psMultiResults: 0x40000,
  pluginAuth: 0x80000,
  connectAttributes: 0x100000,
  pluginAuthLenenc: 0x200000,
  expiredPasswords: 0x400000,
  sessionTrack: 0x800000,
  deprecateEof: 0x1000000,
  optionalMetadata: 0x2000000,
  queryAttributes: 0x8000000,
} as const

type Capability = keyof typeof capabilities

function flagsOf(names: readonly Capability[]): number {
  return names.reduce((flags, name) => flags | capabilities[name], 0)
}

/**
 * What changes at most the login or the client's own behaviour. A backend that lacks one of them is simply not told of it.
 * `longPassword` also says "this is no MariaDB": clients then leave MariaDB's extended capabilities alone.
 */
const harmless = flagsOf([
  'longPassword',
  'foundRows',
  'longFlag',
  'connectWithDb',
  'noSchema',
  'odbc',
  'localFiles',
  'ignoreSpace',
  'protocol41',
  'interactive',
  'ignoreSigpipe',
  'transactions',
  'reserved',
  'secureConnection',
  'multiStatements',
  'multiResults',
  'psMultiResults',
  'pluginAuth',
  'connectAttributes',
  'pluginAuthLenenc',
  'expiredPasswords',
])

/** What a backend is told whatever the client said: this package speaks it. */
const spoken = flagsOf(['longPassword', 'protocol41', 'secureConnection'])

export function has(flags: number, capability: Capability): boolean {
  return (flags & capabilities[capability]) !== 0
}

/** What the greeting offers. */
export function offered(features: readonly Feature[], tls: boolean): number {
  return harmless | flagsOf(features) | (tls ? capabilities.ssl : 0)
}

/**
 * What the backend is told: what both have. The login's own fields (database, attributes, TLS) are the encoder's to flag.
 * Throws `PROXY_BACKEND_PROTOCOL` when the client has taken up what the backend lacks.
 */
export function agreed(client: number, features: readonly Feature[], backend: number): number {
  const lacking = features.filter((feature) => has(client, feature) && !has(backend, feature))
  if (lacking.length > 0) {
    throw new GatewayError('PROXY_BACKEND_PROTOCOL', {
      message: `the backend lacks what the gateway offers: ${lacking.join(', ')}`,
    })
  }
  return (client & offered(features, false) & backend) | spoken
}
