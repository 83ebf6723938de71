import { GatewayError } from '@proxy/kernel'
import { isSystemDatabase } from './commands.ts'
import type { Hello, Login } from './hello.ts'
import type { KeySource, MongodbSettings } from './options.ts'

/** What a connection has said so far about whom it is for. */
export class Clues {
  readonly serverName: string | undefined
  readonly #settings: MongodbSettings
  authSource: string | undefined = undefined
  user: string | undefined = undefined
  appName: string | undefined = undefined

  constructor(settings: MongodbSettings, serverName: string | undefined) {
    this.#settings = settings
    this.serverName = serverName
  }

  hear(hello: Hello): void {
    this.appName = hello.appName ?? this.appName
    if (hello.speculative !== undefined) this.hearLogin(hello.speculative)
    if (hello.saslSupportedMechs !== undefined) this.#hearUser(hello.saslSupportedMechs)
  }

  hearLogin({ database, user }: Login): void {
    this.authSource = database ?? this.authSource
    this.user = user ?? this.user
  }

  /**
   * Where the connection goes, with a command for `database` if there is one; undefined: it has not said so. Throws
   * `PROXY_KEY_CONFLICT`.
   */
  route(database: string | undefined): Route | undefined {
    const found = this.#find(database)
    return found && { ...found, attributes: this.#attributes(database) }
  }

  /** Where connections go that do not say so; undefined: nowhere. */
  defaultRoute(database: string | undefined): Route | undefined {
    const { defaultKey, keys } = this.#settings
    if (defaultKey === undefined) return undefined
    // Where databases are tenants, a connection that came here by default must not reach others under their names.
    return { key: defaultKey, byDatabase: keys.includes('database'), attributes: this.#attributes(database) }
  }

  #find(database: string | undefined): { key: string; byDatabase: boolean } | undefined {
    let found: { key: string; byDatabase: boolean } | undefined
    for (const source of this.#settings.keys) {
      const named = this.#keyOf(source, database)
      const byDatabase = source === 'authSource' || source === 'database'
      if (named === undefined) continue
      if (found === undefined) found = { key: named, byDatabase }
      else if (named !== found.key && (byDatabase === found.byDatabase || source === 'sni')) throw conflict()
    }
    return found
  }

  #keyOf(source: KeySource, database: string | undefined): string | undefined {
    switch (source) {
      case 'sni':
        return keyOfServerName(this.serverName, this.#settings)
      case 'authSource':
        return keyOfDatabase(this.authSource, this.#settings)
      case 'database':
        return keyOfDatabase(database, this.#settings)
      case 'user':
        return this.user === undefined ? undefined : tenantOfUser(this.user, this.#settings)
      default:
        return this.appName || undefined
    }
  }

  /** `db.user`; the names of databases hold no dots. */
  #hearUser(name: string): void {
    const dot = name.indexOf('.')
    if (dot <= 0) return
    this.authSource = name.slice(0, dot)
    this.user = name.slice(dot + 1)
  }

  #attributes(database: string | undefined): Record<string, string> {
    const { authSource, user, appName, serverName } = this
    const all = { database, authSource, user, appName, serverName }
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Record<string, string>
  }
}

/** Where a connection goes. */
export interface Route {
  readonly key: string
  /** A database named the tenant: those of other tenants are out of reach. */
  readonly byDatabase: boolean
  readonly attributes: Readonly<Record<string, string>>
}

/** undefined: the server name holds no key. */
export function keyOfServerName(
  serverName: string | undefined,
  { sniSuffix: suffix }: MongodbSettings,
): string | undefined {
  if (serverName === undefined || suffix === undefined) return serverName
  const inside = serverName.length > suffix.length && serverName.endsWith(suffix)
  return inside ? serverName.slice(0, -suffix.length) : undefined
}

/** The tenant that a database belongs to; undefined: none. */
export function keyOfDatabase(database: string | undefined, settings: MongodbSettings): string | undefined {
  if (database === undefined || database === '' || isSystemDatabase(database)) return undefined
  return settings.databaseKey(database) || undefined
}

/** `app.alpha` is split at the last separator, `alpha.app` at the first: the user's own name may hold more of them. */
function tenantOfUser(user: string, { userPart, userSeparator }: MongodbSettings): string | undefined {
  const at = userPart === 'suffix' ? user.lastIndexOf(userSeparator) : user.indexOf(userSeparator)
  if (at <= 0) return undefined
  return (userPart === 'suffix' ? user.slice(at + userSeparator.length) : user.slice(0, at)) || undefined
}

function conflict(): GatewayError {
  return new GatewayError('PROXY_KEY_CONFLICT', {
    hint: 'Server name, authentication database, database and user name must not name different tenants.',
  })
}

const ways: Readonly<Record<KeySource, string>> = {
  sni: 'connect by the host name of the tenant, with TLS',
  authSource: 'authenticate with the database of the tenant (authSource)',
  database: 'use a database of the tenant',
  user: 'name the tenant in the user name',
  appName: 'name the tenant as appName',
}

/** For commands that only a backend can answer, of connections that name no tenant. */
export function noKey({ keys }: MongodbSettings): GatewayError {
  const text = keys.map((source) => ways[source]).join(', or ')
  return new GatewayError('PROXY_NO_KEY', { hint: `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.` })
}
