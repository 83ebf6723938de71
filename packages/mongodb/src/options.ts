import { GatewayError } from '@proxy/kernel'

/**
 * Where a tenant's name is read.
 * - `sni`: the server name of the TLS handshake.
 * - `authSource`: the authentication database, as `saslSupportedMechs`, `speculativeAuthenticate` or `saslStart` names it.
 * - `database`: the `$db` of the first command.
 * - `user`: part of the user name, `app.alpha`. It stays in place: it is part of what SCRAM signs.
 * - `appName`: the application name of the client's metadata, all of it.
 *
 * The databases `admin`, `config`, `local` and `$external` name no tenant.
 */
export type KeySource = 'sni' | 'authSource' | 'database' | 'user' | 'appName'

/** The oldest and the newest wire version that clients are told. */
export interface WireRange {
  readonly min: number
  readonly max: number
}

export interface MongodbOptions {
  /**
   * Sources of the key, in order: the first that names a tenant decides, and a later one that names another tenant
   * refuses the command. Databases behind `sni`, `user` or `appName` are no contradiction: they are databases inside
   * the tenant. Nor are `user` and `appName` behind a database: names may look like a tenant's by chance. Default
   * `['authSource', 'database', 'user']`, or `['sni', 'authSource', 'database']` where `sniDomain` is given.
   */
  readonly keys?: readonly KeySource[] | undefined
  /**
   * Domain of the tenants' server names: with `db.example.com`, the server name `alpha.db.example.com` is the key `alpha` and
   * a name outside is no key. Default: the whole server name is the key.
   */
  readonly sniDomain?: string | undefined
  /** Where the source `user` finds the tenant: `app.alpha` (`suffix`) or `alpha.app` (`prefix`). Default `suffix`. */
  readonly userPart?: 'prefix' | 'suffix' | undefined
  /** What stands between user and tenant. Default `.`. */
  readonly userSeparator?: string | undefined
  /**
   * Key of connections that name no tenant and ask for what only a backend knows. Where databases are tenants (`keys`), they
   * reach no database but the one of that name. Default: they get an error.
   */
  readonly defaultKey?: string | undefined
  /**
   * The tenant that a database belongs to, for tenants with several; undefined: no tenant's. Not asked for `admin`,
   * `config`, `local` and `$external`. Default: a database is its own tenant.
   */
  readonly databaseKey?: ((database: string) => string | undefined) | undefined
  /**
   * The backends are replica sets or sharded clusters: clients are told that they may use sessions, retryable writes and
   * transactions. Clients are told before their tenant is known. Default false: drivers then do not use them, which is right
   * for every backend.
   */
  readonly sessions?: boolean | undefined
  /** Wire versions that clients are told; a backend that does not reach `max` is refused. Default 0 to 21, MongoDB 7.0. */
  readonly wireVersions?: WireRange | undefined
  /** Version in the answer to `buildInfo` as long as no tenant is known. Default `7.0.0`. */
  readonly serverVersion?: string | undefined
  /**
   * SASL mechanisms offered where the client asks what a user may use and no backend can be asked yet. Default
   * `['SCRAM-SHA-256', 'SCRAM-SHA-1']`.
   */
  readonly mechanisms?: readonly string[] | undefined
  /**
   * A backend that takes connections but answers no `hello` yet, or is no primary while there are other endpoints, is dialled
   * again for this long; 0 = never. The listener's `handshakeTimeoutMs` (10,000 ms) ends it too. Default 8,000 ms.
   */
  readonly readinessTimeoutMs?: number | undefined
}

/** Options with their defaults. */
export interface MongodbSettings {
  readonly keys: readonly KeySource[]
  /** With its leading dot; undefined = no domain. */
  readonly sniSuffix: string | undefined
  readonly userPart: 'prefix' | 'suffix'
  readonly userSeparator: string
  readonly defaultKey: string | undefined
  readonly databaseKey: (database: string) => string | undefined
  readonly sessions: boolean
  readonly wireVersions: WireRange
  readonly serverVersion: string
  readonly mechanisms: readonly string[]
  readonly readinessTimeoutMs: number
}

const keySources: readonly KeySource[] = ['sni', 'authSource', 'database', 'user', 'appName']

/** Throws `PROXY_CONFIG_INVALID`. */
export function settingsOf(options: MongodbOptions): MongodbSettings {
  const settings: MongodbSettings = {
    keys: options.keys ?? defaultKeys(options.sniDomain),
    sniSuffix: options.sniDomain === undefined ? undefined : `.${trimDots(options.sniDomain.toLowerCase())}`,
    userPart: options.userPart ?? 'suffix',
    userSeparator: options.userSeparator ?? '.',
    defaultKey: options.defaultKey,
    databaseKey: options.databaseKey ?? itself,
    sessions: options.sessions ?? false,
    wireVersions: options.wireVersions ?? { min: 0, max: 21 },
    serverVersion: options.serverVersion ?? '7.0.0',
    mechanisms: options.mechanisms ?? ['SCRAM-SHA-256', 'SCRAM-SHA-1'],
    readinessTimeoutMs: options.readinessTimeoutMs ?? 8_000,
  }
  validateKeys(settings)
  validateRest(settings)
  return settings
}

function defaultKeys(sniDomain: string | undefined): readonly KeySource[] {
  return sniDomain === undefined ? ['authSource', 'database', 'user'] : ['sni', 'authSource', 'database']
}

function itself(database: string): string {
  return database
}

function trimDots(domain: string): string {
  return domain.replace(/^\.+|\.+$/g, '')
}

function validateKeys({ keys, sniSuffix, userSeparator, defaultKey }: MongodbSettings): void {
  if (keys.length === 0 && defaultKey === undefined) throw invalid('keys: name at least one source')
  if (new Set(keys).size < keys.length) throw invalid('keys: a source is named twice')
  const unknown = keys.find((key) => !keySources.includes(key))
  if (unknown !== undefined) throw invalid(`keys: '${unknown}' is none of ${keySources.join(', ')}`)
  if (sniSuffix === '.') throw invalid('sniDomain: name a domain')
  if (userSeparator === '') throw invalid('userSeparator: name at least one character')
  if (defaultKey === '') throw invalid('defaultKey: is empty')
}

function validateRest({ wireVersions, serverVersion, mechanisms, readinessTimeoutMs }: MongodbSettings): void {
  const { min, max } = wireVersions
  if (!isWireVersion(min) || !isWireVersion(max) || min > max)
    throw invalid('wireVersions: not a range of wire versions')
  if (!/^\d{1,5}(\.\d{1,5}){2}$/.test(serverVersion)) throw invalid('serverVersion: not three numbers')
  if (mechanisms.length === 0) throw invalid('mechanisms: name at least one')
  if (!(readinessTimeoutMs >= 0)) throw invalid('readinessTimeoutMs: not a number of milliseconds')
}

function isWireVersion(version: number): boolean {
  return Number.isInteger(version) && version >= 0 && version <= 1_000
}

function invalid(message: string): GatewayError {
  return new GatewayError('PROXY_CONFIG_INVALID', { message: `mongodb(): ${message}` })
}
