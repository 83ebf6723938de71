import { GatewayError } from '@proxy/kernel'
import { attributeOf, type LoginPacket } from './login.ts'
import type { KeySource, Login, MysqlSettings } from './options.ts'

/** Where a session goes, and what its backend is told. */
export interface Route {
  readonly key: string
  readonly attributes: Readonly<Record<string, string>>
  readonly login: Login
  /** The user as the tenant knows it: without the tenant's name, before any rewriting. */
  readonly user: string
}

/** What the sources say about one connection. */
interface Found {
  readonly keys: Readonly<Record<KeySource, string | undefined>>
  /** The user name without the tenant. */
  readonly user: string
}

/** Reads the key; undefined when no source names one. Throws `PROXY_KEY_CONFLICT` when two name different tenants. */
export function findRoute(
  login: LoginPacket,
  serverName: string | undefined,
  settings: MysqlSettings,
): Route | undefined {
  const found = find(login, serverName, settings)
  const key = chooseKey(found, settings) ?? settings.defaultKey
  return key === undefined ? undefined : routeTo(key, userFor(key, login, found), login, serverName, settings)
}

/** The route to a key that was found elsewhere. */
export function routeTo(
  key: string,
  user: string,
  login: LoginPacket,
  serverName: string | undefined,
  { rewrite }: MysqlSettings,
): Route {
  const plain = { user, database: login.database }
  return { key, attributes: attributesOf(login, serverName), login: rewrite?.(plain, key) ?? plain, user }
}

export function noKey(settings: MysqlSettings): GatewayError {
  const text = settings.keys.map((source) => ways[source]).join(', or ')
  return new GatewayError('PROXY_NO_KEY', {
    message: 'No database selected',
    hint: text === '' ? undefined : `${text[0]!.toUpperCase()}${text.slice(1)}.`,
  })
}

/** `alpha.app` is split at the first separator, `app.alpha` at the last: the user's own name may hold more of them. */
function splitUser(
  user: string,
  { userPart, userSeparator }: MysqlSettings,
): { readonly name: string; readonly tenant: string } | undefined {
  const at = userPart === 'suffix' ? user.lastIndexOf(userSeparator) : user.indexOf(userSeparator)
  const head = user.slice(0, Math.max(at, 0))
  const tail = user.slice(at + userSeparator.length)
  if (at <= 0 || tail === '') return undefined
  return userPart === 'suffix' ? { name: head, tenant: tail } : { name: tail, tenant: head }
}

/** A user name as the tenant knows it, in a session that was routed already. */
export function userWithin(user: string, key: string, settings: MysqlSettings): string {
  const split = settings.keys.includes('user') ? splitUser(user, settings) : undefined
  return split?.tenant === key ? split.name : user
}

function find(login: LoginPacket, serverName: string | undefined, settings: MysqlSettings): Found {
  const reads = (source: KeySource): boolean => settings.keys.includes(source)
  const split = reads('user') ? splitUser(login.user, settings) : undefined
  return {
    keys: {
      database: reads('database') ? login.database : undefined,
      sni: reads('sni') ? sniKey(serverName, settings.sniSuffix) : undefined,
      user: split?.tenant,
    },
    user: split?.name ?? login.user,
  }
}

function sniKey(serverName: string | undefined, suffix: string | undefined): string | undefined {
  if (serverName === undefined || suffix === undefined) return serverName
  return serverName.length > suffix.length && serverName.endsWith(suffix)
    ? serverName.slice(0, -suffix.length)
    : undefined
}

function chooseKey(found: Found, { keys: sources }: MysqlSettings): string | undefined {
  let key: string | undefined
  let byDatabase = false
  for (const source of sources) {
    const named = found.keys[source]
    if (named === undefined) continue
    if (key === undefined) {
      key = named
      byDatabase = source === 'database'
    } else if (named !== key && contradicts(source, byDatabase)) throw conflict()
  }
  return key
}

/** A database behind another source is inside the tenant; and behind a database a dot in a user name is just a dot. */
function contradicts(source: KeySource, byDatabase: boolean): boolean {
  return source !== 'database' && !(source === 'user' && byDatabase)
}

/** The tenant's name is taken off the user's where it is the tenant's. */
function userFor(key: string, login: LoginPacket, found: Found): string {
  return found.keys.user === key ? found.user : login.user
}

function conflict(): GatewayError {
  return new GatewayError('PROXY_KEY_CONFLICT', { hint: 'Server name, user and database name different tenants.' })
}

const ways: Readonly<Record<KeySource, string>> = {
  database: 'name a database',
  sni: 'connect by the host name of the tenant, with TLS',
  user: 'name the tenant in the user name',
}

function attributesOf(login: LoginPacket, serverName: string | undefined): Record<string, string> {
  const attributes: Record<string, string> = { user: login.user }
  const program = attributeOf(login, 'program_name') ?? attributeOf(login, '_client_name')
  if (login.database !== undefined) attributes['database'] = login.database
  if (program !== undefined) attributes['applicationName'] = program
  if (serverName !== undefined) attributes['serverName'] = serverName
  return attributes
}
