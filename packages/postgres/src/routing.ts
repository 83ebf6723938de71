import { GatewayError } from '@proxy/kernel'
import { takeSetting } from './command-line.ts'
import type { KeySource, Login, PostgresSettings } from './options.ts'
import { type Replacements, rewriteStartup, type StartupMessage } from './startup-message.ts'

/** Where a session goes, and what its backend is told. */
export interface Route {
  readonly key: string
  readonly attributes: Readonly<Record<string, string>>
  /** The startup packet for the backend: the client's own bytes unless something had to be changed. */
  readonly packet: Buffer
  /** The user name differs from the one that the client knows. */
  readonly userChanged: boolean
}

/** What the sources say about one connection. */
interface Found {
  readonly keys: Readonly<Record<KeySource, string | undefined>>
  /** The user name without the tenant. */
  readonly user: string
  /** The parameter `options` without the tenant; undefined when there is nothing to take out. */
  readonly options: string | undefined
}

/**
 * Reads the key and prepares the startup packet. Throws `PROXY_KEY_CONFLICT` when two sources name different tenants and
 * `PROXY_NO_KEY` when none names one.
 */
export function routeOf(startup: StartupMessage, serverName: string | undefined, settings: PostgresSettings): Route {
  const found = find(startup, serverName, settings)
  const key = chooseKey(found, settings)
  const login = { user: found.user, database: startup.database }
  const sent = settings.rewrite?.(login, key) ?? login
  return {
    key,
    attributes: attributesOf(startup, serverName),
    packet: packetFor(startup, sent, found.options),
    userChanged: sent.user !== startup.user,
  }
}

/** The key in a server name. Throws `PROXY_NO_KEY` when it holds none. */
export function keyOfServerName(serverName: string | undefined, settings: PostgresSettings): string {
  const key = sniKey(serverName, settings.sniSuffix)
  if (key === undefined) throw noKey(['sni'])
  return key
}

function find(startup: StartupMessage, serverName: string | undefined, settings: PostgresSettings): Found {
  const reads = (source: KeySource): boolean => settings.keys.includes(source)
  const user = reads('user') ? splitUser(startup.user, settings) : undefined
  const options = reads('options')
    ? takeSetting(startup.parameters.get('options') ?? '', settings.optionName)
    : undefined
  return {
    keys: {
      sni: sniKey(serverName, settings.sniSuffix),
      options: options?.value || undefined,
      user: user?.tenant,
      database: startup.database,
    },
    user: user?.name ?? startup.user,
    options: options?.rest,
  }
}

function sniKey(serverName: string | undefined, suffix: string | undefined): string | undefined {
  if (serverName === undefined || suffix === undefined) return serverName
  return serverName.length > suffix.length && serverName.endsWith(suffix)
    ? serverName.slice(0, -suffix.length)
    : undefined
}

/** `app.alpha` is split at the last separator, `alpha.app` at the first: the user's own name may hold more of them. */
function splitUser(
  user: string,
  { userPart, userSeparator }: PostgresSettings,
): { name: string; tenant: string } | undefined {
  const at = userPart === 'suffix' ? user.lastIndexOf(userSeparator) : user.indexOf(userSeparator)
  const head = user.slice(0, at)
  const tail = user.slice(at + userSeparator.length)
  if (at <= 0 || tail === '') return undefined
  return userPart === 'suffix' ? { name: head, tenant: tail } : { name: tail, tenant: head }
}

function chooseKey(found: Found, { keys: sources }: PostgresSettings): string {
  let key: string | undefined
  for (const source of sources) {
    const named = found.keys[source]
    if (named === undefined) continue
    if (key === undefined) key = named
    else if (source !== 'database' && named !== key) throw conflict()
  }
  if (key !== undefined) return key
  if (sources.includes('database')) return found.user
  throw noKey(sources)
}

function conflict(): GatewayError {
  return new GatewayError('PROXY_KEY_CONFLICT', {
    hint: 'Server name, options, user name and database must not name different tenants.',
  })
}

const ways: Readonly<Record<KeySource, string>> = {
  sni: 'connect by the host name of the tenant, with TLS',
  options: 'name the tenant in the connection options',
  user: 'name the tenant in the user name',
  database: 'name a database',
}

function noKey(sources: readonly KeySource[]): GatewayError {
  const text = sources.map((source) => ways[source]).join(', or ')
  return new GatewayError('PROXY_NO_KEY', { hint: `${text[0]!.toUpperCase()}${text.slice(1)}.` })
}

function attributesOf(startup: StartupMessage, serverName: string | undefined): Record<string, string> {
  const attributes: Record<string, string> = { user: startup.user, database: startup.database ?? startup.user }
  const application = startup.parameters.get('application_name')
  const replication = startup.parameters.get('replication')
  if (application !== undefined) attributes['applicationName'] = application
  if (replication !== undefined) attributes['replication'] = replication
  if (serverName !== undefined) attributes['serverName'] = serverName
  return attributes
}

function packetFor(startup: StartupMessage, login: Login, options: string | undefined): Buffer {
  const changes: [string, string | undefined][] = []
  if (login.user !== startup.user) changes.push(['user', login.user])
  if (login.database !== startup.database) changes.push(['database', login.database])
  if (options !== undefined) changes.push(['options', options === '' ? undefined : options])
  const replacements: Replacements = new Map(changes)
  return replacements.size === 0 ? startup.packet : rewriteStartup(startup.packet, replacements)
}
