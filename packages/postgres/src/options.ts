import { type Backend, backend, GatewayError, type Resolution } from '@proxy/kernel'

/**
 * Where a tenant's name is read.
 * - `sni`: the server name of the TLS handshake.
 * - `options`: a setting in the startup parameter `options`, `-c tenant=alpha`. It is taken out before the backend sees it.
 * - `user`: part of the user name, `app.alpha`. It is taken off before the backend sees it.
 * - `database`: the database; without one the user name, as in PostgreSQL.
 */
export type KeySource = 'sni' | 'options' | 'user' | 'database'

/** Who connects, as the backend is going to be told. */
export interface Login {
  readonly user: string
  /** undefined: not sent; PostgreSQL takes the user name. */
  readonly database: string | undefined
}

export interface PostgresOptions {
  /**
   * Sources of the key, in order: the first that names a tenant decides, and a later one that names another tenant
   * refuses the connection. Only `database` behind another source is no contradiction: it is the database inside the
   * tenant. Default `['options', 'database']`.
   */
  readonly keys?: readonly KeySource[] | undefined
  /**
   * Domain of the tenants' server names: with `db.example.com`, the server name `alpha.db.example.com` is the key `alpha` and
   * a name outside is no key. Default: the whole server name is the key.
   */
  readonly sniDomain?: string | undefined
  /** Setting that the source `options` reads. Default `tenant`. */
  readonly optionName?: string | undefined
  /** Where the source `user` finds the tenant: `app.alpha` (`suffix`) or `alpha.app` (`prefix`). Default `suffix`. */
  readonly userPart?: 'prefix' | 'suffix' | undefined
  /** What stands between user and tenant. Default `.`. */
  readonly userSeparator?: string | undefined
  /** Changes the database or the user that is sent on. Default: none. */
  readonly rewrite?: ((login: Login, key: string) => Login) | undefined
  /**
   * A backend that takes connections but not sessions yet (SQLSTATE 57P03, or closing at once) is dialled again for this
   * long; 0 = never. The listener's `handshakeTimeoutMs` (10,000 ms) ends it too: raise both. Default 8,000 ms.
   */
  readonly readinessTimeoutMs?: number | undefined
  /** Number of this gateway among several, 0 to 255, put into the cancel keys. Default: its number in a cluster, else 0. */
  readonly node?: number | undefined
  /**
   * Where the other gateways are, by their `node`: a cancel request that a balancer hands to the wrong one is passed on.
   * They are dialled like any backend, through the guard too. Default: such requests go through the cluster, and are dropped
   * without one.
   */
  readonly nodes?: Readonly<Record<number, Resolution>> | undefined
  /** Cancel requests that one client address may send in a second; the others are dropped. Default 100. */
  readonly maxCancelRate?: number | undefined
}

/** Options with their defaults. */
export interface PostgresSettings {
  readonly keys: readonly KeySource[]
  /** With its leading dot; undefined = no domain. */
  readonly sniSuffix: string | undefined
  readonly optionName: string
  readonly userPart: 'prefix' | 'suffix'
  readonly userSeparator: string
  readonly rewrite: PostgresOptions['rewrite']
  readonly readinessTimeoutMs: number
  /** undefined: the one in the cluster. */
  readonly node: number | undefined
  readonly nodes: ReadonlyMap<number, Backend>
  readonly maxCancelRate: number
}

const keySources: readonly KeySource[] = ['sni', 'options', 'user', 'database']

/** Throws `PROXY_CONFIG_INVALID`. */
export function settingsOf(options: PostgresOptions): PostgresSettings {
  const settings: PostgresSettings = {
    keys: options.keys ?? ['options', 'database'],
    sniSuffix: options.sniDomain === undefined ? undefined : `.${trimDots(options.sniDomain.toLowerCase())}`,
    optionName: options.optionName ?? 'tenant',
    userPart: options.userPart ?? 'suffix',
    userSeparator: options.userSeparator ?? '.',
    rewrite: options.rewrite,
    readinessTimeoutMs: options.readinessTimeoutMs ?? 8_000,
    node: options.node,
    nodes: nodesOf(options.nodes ?? {}),
    maxCancelRate: options.maxCancelRate ?? 100,
  }
  validate(settings)
  return settings
}

function nodesOf(nodes: Readonly<Record<number, Resolution>>): ReadonlyMap<number, Backend> {
  return new Map(Object.entries(nodes).map(([name, resolution]) => [nodeOf(name), gatewayOf(name, resolution)]))
}

function nodeOf(name: string): number {
  const node = Number(name)
  if (!isNode(node)) throw invalid(`nodes: '${name}' is not a whole number from 0 to 255`)
  return node
}

function gatewayOf(name: string, resolution: Resolution): Backend {
  try {
    return backend(resolution)
  } catch (cause) {
    throw invalid(`nodes: what is said of ${name} is no address`, cause)
  }
}

function isNode(node: number): boolean {
  return Number.isInteger(node) && node >= 0 && node <= 255
}

function trimDots(domain: string): string {
  return domain.replace(/^\.+|\.+$/g, '')
}

function validate(settings: PostgresSettings): void {
  const { keys } = settings
  if (keys.length === 0) throw invalid('keys: name at least one source')
  if (new Set(keys).size < keys.length) throw invalid('keys: a source is named twice')
  const unknown = keys.find((key) => !keySources.includes(key))
  if (unknown !== undefined) throw invalid(`keys: '${unknown}' is none of ${keySources.join(', ')}`)
  if (settings.sniSuffix === '.') throw invalid('sniDomain: name a domain')
  if (!/^[A-Za-z_][\w.]*$/.test(settings.optionName)) throw invalid('optionName: not the name of a setting')
  if (settings.userSeparator === '') throw invalid('userSeparator: name at least one character')
  validateNumbers(settings)
}

function validateNumbers({ readinessTimeoutMs, node, nodes, maxCancelRate }: PostgresSettings): void {
  if (!(readinessTimeoutMs >= 0)) throw invalid('readinessTimeoutMs: not a number of milliseconds')
  if (node !== undefined && !isNode(node)) throw invalid('node: not a whole number from 0 to 255')
  if (nodes.has(node ?? 0)) throw invalid(`nodes: ${node ?? 0} is this gateway itself`)
  if (!(maxCancelRate > 0)) throw invalid('maxCancelRate: not a positive number')
}

function invalid(message: string, cause?: unknown): GatewayError {
  return new GatewayError('PROXY_CONFIG_INVALID', { message: `postgres(): ${message}`, cause })
}
