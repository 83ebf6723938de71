import { GatewayError } from '@proxy/kernel'
import { type Identity, identityOf } from './identity.ts'
import type { TlsOptions } from './options.ts'
import type { Files } from './pem.ts'
import { wildcardOf } from './server-name.ts'

/** The certificates of a listener at one moment. Never changed: a reload makes another one. */
export class IdentityTable {
  readonly identities: readonly Identity[]
  readonly #byName: ReadonlyMap<string, Identity>
  readonly #fallback: Identity | undefined

  /** Reuses what has not changed since `previous`. Throws `PROXY_CONFIG_INVALID`. */
  constructor(options: TlsOptions, files: Files, previous?: IdentityTable) {
    const known = new Map(previous?.identities.map((identity) => [identity.id, identity]))
    const certificates = options.certificates ?? []
    this.identities = certificates.map((certificate, at) => identityOf(at, certificate, options, files, known))
    this.#byName = indexByName(this.identities)
    this.#fallback = options.unknownNames === 'refuse' ? undefined : this.identities[0]
  }

  /** Exact name before wildcard before the first certificate; undefined when unknown names are refused. */
  select(serverName: string | undefined): Identity | undefined {
    return (serverName === undefined ? undefined : this.find(serverName)) ?? this.#fallback
  }

  /** The one that is for that very name, exactly or by wildcard. */
  find(serverName: string): Identity | undefined {
    const exact = this.#byName.get(serverName)
    if (exact !== undefined) return exact
    const wildcard = wildcardOf(serverName)
    return wildcard === undefined ? undefined : this.#byName.get(wildcard)
  }
}

/** Names that the options give go before names out of certificates; among the latter the first certificate wins. */
function indexByName(identities: readonly Identity[]): Map<string, Identity> {
  const byName = new Map<string, Identity>()
  for (const identity of identities) {
    if (identity.named) for (const name of identity.names) claim(byName, name, identity)
  }
  for (const identity of identities) {
    for (const name of identity.names) if (!byName.has(name)) byName.set(name, identity)
  }
  return byName
}

function claim(byName: Map<string, Identity>, name: string, identity: Identity): void {
  const owner = byName.get(name)
  if (owner !== undefined && owner !== identity) {
    throw new GatewayError('PROXY_CONFIG_INVALID', { message: `tls: two certificates are for '${name}'` })
  }
  byName.set(name, identity)
}
