/** A variable of the environment. `docs/reference/environment.md` lists the same. */
export interface VariableFacts {
  readonly name: string
  /** Which listeners it is about; `all`: says nothing about which ones there are. */
  readonly family: 'http' | 'tcp' | 'smtp' | 'all'
  /** `adjusts`: changes the embedded default too, and alone does not end it. `ignored`: has no effect here. */
  readonly role: 'configures' | 'adjusts' | 'ignored'
}

const variable = (name: string, family: VariableFacts['family'], role: VariableFacts['role'] = 'configures') =>
  Object.freeze({ name, family, role })

/** Every variable that is read, and those of the original that mean nothing here. */
export const variables: readonly VariableFacts[] = [
  variable('HTTP_PORT', 'http', 'adjusts'),
  variable('HTTP_WORKERS', 'http'),
  variable('HTTP_SERVER_MODE', 'http', 'ignored'),
  variable('HTTP_SERVER_IMPL', 'http', 'ignored'),
  variable('HTTP_FAST_PATH', 'http', 'ignored'),
  variable('HTTP_FAST_ASSUME_OK', 'http', 'ignored'),
  variable('HTTP_FIXED_BACKEND', 'http'),
  variable('HTTP_DIRECT_RESPONSE', 'http'),
  variable('HTTP_RAW_BACKEND', 'http', 'ignored'),
  variable('HTTP_BACKEND_POOL_SIZE', 'http'),
  variable('HTTP_KEEPALIVE_TIMEOUT', 'http'),
  variable('HTTP_OPEN_HTTP2', 'http'),
  variable('HTTP_SKIP_VALIDATION', 'http'),
  variable('HTTP_BACKEND_ENDPOINT', 'http'),
  variable('TCP_WORKERS', 'tcp'),
  variable('TCP_SERVER_IMPL', 'tcp', 'ignored'),
  variable('TCP_POSTGRES_PORT', 'tcp', 'adjusts'),
  variable('TCP_MYSQL_PORT', 'tcp', 'adjusts'),
  variable('TCP_MONGODB_PORT', 'tcp', 'adjusts'),
  variable('TCP_SKIP_VALIDATION', 'tcp'),
  variable('TCP_BACKEND_ENDPOINT', 'tcp'),
  variable('TCP_SOCKMAP_ENABLED', 'tcp', 'ignored'),
  variable('SMTP_PORT', 'smtp', 'adjusts'),
  variable('SMTP_WORKERS', 'smtp'),
  variable('SMTP_BACKEND_ENDPOINT', 'smtp'),
  variable('SMTP_SKIP_VALIDATION', 'smtp'),
  variable('PROXY_PROTOCOL', 'all'),
  variable('PROXY_RESOLVER', 'all'),
  variable('PROXY_TLS_ENABLED', 'all'),
  variable('PROXY_TLS_CERT', 'all'),
  variable('PROXY_TLS_KEY', 'all'),
  variable('PROXY_TLS_CA', 'all'),
  variable('PROXY_TLS_REQUIRE_CLIENT_CERT', 'all'),
  variable('PROXY_HOST', 'all', 'adjusts'),
  variable('PROXY_TRANSPORT', 'all', 'adjusts'),
  variable('ADMIN_PORT', 'all', 'adjusts'),
  variable('ADMIN_TOKEN', 'all', 'adjusts'),
  variable('LOG_LEVEL', 'all', 'adjusts'),
  variable('IDLE_AFTER_MS', 'all', 'adjusts'),
  variable('DRAIN_DELAY_MS', 'all', 'adjusts'),
  variable('DRAIN_DEADLINE_MS', 'all', 'adjusts'),
]

export type Environment = Readonly<Record<string, string | undefined>>

/** Set, and not to nothing. */
export const isSet = (env: Environment, name: string): boolean => (env[name] ?? '') !== ''

/** True when the environment asks for more than changes of the embedded default. */
export const configures = (env: Environment): boolean =>
  variables.some(({ name, role }) => role === 'configures' && isSet(env, name))

/** Variables of the original that are set and have no effect. */
export const ignored = (env: Environment): string[] =>
  variables.filter(({ name, role }) => role === 'ignored' && isSet(env, name)).map(({ name }) => name)
