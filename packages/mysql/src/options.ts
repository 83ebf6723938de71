import { GatewayError } from '@proxy/kernel'

/**
 * Where a tenant's name is read.
 * - `database`: the database of the login.
 * - `sni`: the server name of the TLS handshake.
 * - `user`: part of the user name, `alpha.app`. It is taken off before the backend sees it.
 */
export type KeySource = 'database' | 'sni' | 'user'

/** Who connects, as the backend is going to be told. */
export interface Login {
  readonly user: string
  /** undefined: none is chosen. */
  readonly database: string | undefined
}

/**
 * What changes the bytes after the login and is offered to clients only when asked for, since every backend must have it:
 * a client that took what its backend lacks is refused.
 * - `deprecateEof`: result sets without EOF packets (MySQL 5.7.5, MariaDB 10.2).
 * - `sessionTrack`: changes of the session's state in OK packets (MySQL 5.7.4, MariaDB 10.2).
 * - `queryAttributes`: attributes in COM_QUERY and COM_STMT_EXECUTE (MySQL 8.0.23; no MariaDB).
 * - `optionalMetadata`: result sets without metadata (MySQL 8.0; no MariaDB).
 */
export type Feature = 'deprecateEof' | 'sessionTrack' | 'queryAttributes' | 'optionalMetadata'

export interface MysqlOptions {
  /**
   * Sources of the key, in order: the first that names a tenant decides, and a later one that names another tenant
   * refuses the connection. `database` behind another source is no contradiction, it is the database inside the
   * tenant; `user` behind `database` is read only where no database is named. Default `['database', 'sni', 'user']`,
   * `sni` only with `sniDomain`.
   */
  readonly keys?: readonly KeySource[] | undefined
  /**
   * Domain of the tenants' server names: with `db.example.com`, the server name `alpha.db.example.com` is the key `alpha` and
   * a name outside is no key. Default: the whole server name is the key, where `keys` names `sni`.
   */
  readonly sniDomain?: string | undefined
  /** Where the source `user` finds the tenant: `alpha.app` (`prefix`) or `app.alpha` (`suffix`). Default `prefix`. */
  readonly userPart?: 'prefix' | 'suffix' | undefined
  /** What stands between tenant and user. Default `.`. */
  readonly userSeparator?: string | undefined
  /** The key of clients for whom no source names one. Default: they are refused (1046). */
  readonly defaultKey?: string | undefined
  /** Changes the database or the user that is sent on. Default: none. */
  readonly rewrite?: ((login: Login, key: string) => Login) | undefined
  /**
   * The version that the greeting names, before any backend is known. Some clients choose statements by it: let it be of
   * the family of the backends, for MariaDB `5.5.5-10.11.0-MariaDB`. Default `8.0.42-proxy`.
   */
  readonly serverVersion?: string | undefined
  /** Authentication plugin that the greeting names. The backend names its own afterwards. Default `mysql_native_password`. */
  readonly authPlugin?: 'mysql_native_password' | 'caching_sha2_password' | undefined
  /** What is offered beyond what every server since MySQL 5.5 and MariaDB 5.5 has. Default: nothing. */
  readonly features?: readonly Feature[] | undefined
  /**
   * What happens to passwords that reach the gateway readable, over TLS, for a backend that is connected without:
   * `refuse`; `rsa`: encrypted with the public key that the backend shows (caching_sha2_password, sha256_password); `allow`: that,
   * and clear text where the plugin knows nothing else. `rsa` and `allow` also translate for clients without TLS
   * of backends with TLS. Default `refuse`.
   */
  readonly passwordBridge?: 'refuse' | 'rsa' | 'allow' | undefined
  /**
   * Take in clients that name no tenant at all, and route by their first COM_INIT_DB. Only for resolvers that give
   * `metadata.user` and `metadata.password`: the client's proof is held against them. Default false: refused (1046).
   */
  readonly routeByInitDb?: boolean | undefined
  /**
   * A backend that takes connections but not sessions yet (closing at once, or silent) is dialled again for this long;
   * 0 = never. The listener's `handshakeTimeoutMs` (10,000 ms) ends it too: raise both. Default 8,000 ms.
   */
  readonly readinessTimeoutMs?: number | undefined
  /**
   * Number of this gateway among several, 0 to 15, put into the connection ids: KILL on one never means a session of another.
   * Default: its number in a cluster, where all from 15 on share 15 and a KILL finds only sessions of its own machine; else 0.
   */
  readonly node?: number | undefined
}

/** Options with their defaults. */
export interface MysqlSettings {
  readonly keys: readonly KeySource[]
  /** With its leading dot; undefined = no domain. */
  readonly sniSuffix: string | undefined
  readonly userPart: 'prefix' | 'suffix'
  readonly userSeparator: string
  readonly defaultKey: string | undefined
  readonly rewrite: MysqlOptions['rewrite']
  readonly serverVersion: string
  readonly authPlugin: 'mysql_native_password' | 'caching_sha2_password'
  readonly features: readonly Feature[]
  readonly passwordBridge: 'refuse' | 'rsa' | 'allow'
  readonly routeByInitDb: boolean
  readonly readinessTimeoutMs: number
  /** undefined: the one in the cluster. */
  readonly node: number | undefined
}

const keySources: readonly KeySource[] = ['database', 'sni', 'user']
const allFeatures: readonly Feature[] = ['deprecateEof', 'sessionTrack', 'queryAttributes', 'optionalMetadata']
const bridges: readonly string[] = ['refuse', 'rsa', 'allow']
const plugins: readonly string[] = ['mysql_native_password', 'caching_sha2_password']

/** Throws `PROXY_CONFIG_INVALID`. */
export function settingsOf(options: MysqlOptions): MysqlSettings {
  const settings: MysqlSettings = {
    keys: options.keys ?? (options.sniDomain === undefined ? ['database', 'user'] : keySources),
    sniSuffix: options.sniDomain === undefined ? undefined : `.${trimDots(options.sniDomain.toLowerCase())}`,
    userPart: options.userPart ?? 'prefix',
    userSeparator: options.userSeparator ?? '.',
    defaultKey: options.defaultKey,
    rewrite: options.rewrite,
    serverVersion: options.serverVersion ?? '8.0.42-proxy',
    authPlugin: options.authPlugin ?? 'mysql_native_password',
    features: options.features ?? [],
    passwordBridge: options.passwordBridge ?? 'refuse',
    routeByInitDb: options.routeByInitDb ?? false,
    readinessTimeoutMs: options.readinessTimeoutMs ?? 8_000,
    node: options.node,
  }
  validateKeys(settings)
  validateGreeting(settings)
  validateRest(settings)
  return settings
}

function trimDots(domain: string): string {
  return domain.replace(/^\.+|\.+$/g, '')
}

function validateKeys({ keys, sniSuffix, userSeparator, defaultKey }: MysqlSettings): void {
  if (keys.length === 0 && defaultKey === undefined) throw invalid('keys: name at least one source, or a defaultKey')
  if (new Set(keys).size < keys.length) throw invalid('keys: a source is named twice')
  const unknown = keys.find((key) => !keySources.includes(key))
  if (unknown !== undefined) throw invalid(`keys: '${unknown}' is none of ${keySources.join(', ')}`)
  if (sniSuffix === '.') throw invalid('sniDomain: name a domain')
  if (userSeparator === '') throw invalid('userSeparator: name at least one character')
  if (defaultKey === '') throw invalid('defaultKey: name a key')
}

function validateGreeting({ serverVersion, authPlugin, features }: MysqlSettings): void {
  if (!/^\d[\x21-\x7e]{0,62}$/.test(serverVersion)) throw invalid('serverVersion: not a version of up to 63 characters')
  if (!plugins.includes(authPlugin)) throw invalid(`authPlugin: '${authPlugin}' is none of ${plugins.join(', ')}`)
  const unknown = features.find((feature) => !allFeatures.includes(feature))
  if (unknown !== undefined) throw invalid(`features: '${unknown}' is none of ${allFeatures.join(', ')}`)
}

function validateRest({ userPart, passwordBridge, readinessTimeoutMs, node }: MysqlSettings): void {
  if (userPart !== 'prefix' && userPart !== 'suffix') throw invalid('userPart: neither prefix nor suffix')
  if (!bridges.includes(passwordBridge)) throw invalid(`passwordBridge: none of ${bridges.join(', ')}`)
  if (!(readinessTimeoutMs >= 0)) throw invalid('readinessTimeoutMs: not a number of milliseconds')
  if (node !== undefined && !(Number.isInteger(node) && node >= 0 && node <= 15))
    throw invalid('node: not a whole number from 0 to 15')
}

function invalid(message: string): GatewayError {
  return new GatewayError('PROXY_CONFIG_INVALID', { message: `mysql(): ${message}` })
}
