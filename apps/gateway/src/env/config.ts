import { availableParallelism } from 'node:os'
import { GatewayError, ResolveError, type Resolution, type Resolver, type RouteRequest } from '@proxy/kernel'
import { tlsFromEnv } from '@proxy/tls'
import { embeddedPorts } from '../embedded/config.ts'
import { ConfigError } from '../config/problems.ts'
import type { GatewayConfig, ListenerConfig, ResolverConfig, TlsConfig } from '../config/types.ts'
import { EnvironmentReader } from './reader.ts'
import { type Environment, isSet, variables } from './variables.ts'

type Family = 'http' | 'tcp' | 'smtp'

const families: readonly Family[] = ['http', 'tcp', 'smtp']
const everyAddress = '0.0.0.0'
const mostWorkers = 1_024

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

/** The configuration that the variables of the original stand for. Throws {@link ConfigError} with every problem. */
export function environmentConfig(env: Environment): GatewayConfig {
  const reader = new EnvironmentReader(env)
  const chosen = chosenFamilies(reader, env)
  const tls = readTls(reader, env)
  const host = reader.text('PROXY_HOST') ?? everyAddress
  const config: GatewayConfig = {
    listeners: [
      ...(chosen.includes('http') ? [httpListener(reader, host, tls)] : []),
      ...(chosen.includes('tcp') ? tcpListeners(reader, host, tls) : []),
      ...(chosen.includes('smtp') ? smtpListeners(reader, host, tls) : []),
    ],
    resolver: readResolver(reader, chosen),
    workers: readWorkers(reader, chosen),
    admin: { address: `127.0.0.1:${reader.port('ADMIN_PORT') ?? embeddedPorts.admin}` },
    ...processConfig(reader),
  }
  if (config.listeners.length === 0) reader.fail('PROXY_PROTOCOL', 'leaves no listener.')
  if (reader.problems.length > 0) throw new ConfigError('environment', reader.problems)
  return config
}

/** What the variables say about the process itself; the embedded default heeds it too. */
export function processConfig(reader: EnvironmentReader): Pick<GatewayConfig, 'log' | 'drain' | 'idle'> {
  const afterMs = reader.integer('IDLE_AFTER_MS', 1, 86_400_000)
  return {
    ...(afterMs !== undefined && { idle: { afterMs } }),
    log: { level: reader.oneOf('LOG_LEVEL', logLevels) },
    drain: {
      delayMs: reader.integer('DRAIN_DELAY_MS', 0, 3_600_000),
      deadlineMs: reader.integer('DRAIN_DEADLINE_MS', 0, 86_400_000),
    },
  }
}

/** `PROXY_PROTOCOL` names the servers; without it those are started that a variable is set for. */
function chosenFamilies(reader: EnvironmentReader, env: Environment): readonly Family[] {
  const named = reader.oneOf('PROXY_PROTOCOL', families)
  if (reader.has('PROXY_PROTOCOL')) return named === undefined ? [] : [named]
  const mentioned = families.filter((family) =>
    variables.some((variable) => variable.family === family && isSet(env, variable.name)),
  )
  return mentioned.length > 0 ? mentioned : ['http', 'tcp']
}

function readTls(reader: EnvironmentReader, env: Environment): TlsConfig | undefined {
  try {
    return tlsFromEnv(env)
  } catch (error) {
    reader.fail('PROXY_TLS_*', GatewayError.from(error).message)
    return undefined
  }
}

function httpListener(reader: EnvironmentReader, host: string, tls: TlsConfig | undefined): ListenerConfig {
  const keepAlive = reader.integer('HTTP_KEEPALIVE_TIMEOUT', 1, 86_400)
  const http2 = reader.flag('HTTP_OPEN_HTTP2')
  const body = reader.text('HTTP_DIRECT_RESPONSE')
  return {
    name: 'http',
    address: `${host}:${reader.port('HTTP_PORT') ?? embeddedPorts.http}`,
    protocol: 'http',
    options: {
      backend: reader.text('HTTP_FIXED_BACKEND'),
      directResponse: body === undefined ? undefined : { body },
      poolSize: reader.integer('HTTP_BACKEND_POOL_SIZE', 1, 1_000_000),
      keepAliveTimeoutMs: keepAlive === undefined ? undefined : keepAlive * 1_000,
      http2,
      h2c: http2,
    },
    skipValidation: reader.flag('HTTP_SKIP_VALIDATION'),
    tls,
  }
}

/** MongoDB has no variable in the original. */
function tcpListeners(reader: EnvironmentReader, host: string, tls: TlsConfig | undefined): ListenerConfig[] {
  const ports = {
    postgres: reader.port('TCP_POSTGRES_PORT') ?? 5432,
    mysql: reader.port('TCP_MYSQL_PORT') ?? 3306,
    mongodb: reader.port('TCP_MONGODB_PORT') ?? 0,
  }
  const skipValidation = reader.flag('TCP_SKIP_VALIDATION')
  return Object.entries(ports)
    .filter(([, port]) => port > 0)
    .map(([name, port]) => ({
      name,
      address: `${host}:${port}`,
      protocol: name,
      options: name === 'postgres' || resolvesKeys(reader) ? undefined : { defaultKey: 'default' },
      skipValidation,
      tls,
    }))
}

function smtpListeners(reader: EnvironmentReader, host: string, tls: TlsConfig | undefined): ListenerConfig[] {
  const port = reader.port('SMTP_PORT') ?? 25
  if (port === 0) return []
  const skipValidation = reader.flag('SMTP_SKIP_VALIDATION')
  return [{ name: 'smtp', address: `${host}:${port}`, protocol: 'smtp', skipValidation, tls }]
}

/** Without a resolver all keys lead to one endpoint, and clients that name none go there too. */
const resolvesKeys = (reader: EnvironmentReader): boolean => reader.has('PROXY_RESOLVER')

function readWorkers(reader: EnvironmentReader, chosen: readonly Family[]): number {
  const counts = chosen.map((family) => reader.integer(`${family.toUpperCase()}_WORKERS`, 1, mostWorkers) ?? 0)
  return Math.max(...counts, 0) || availableParallelism()
}

function readResolver(reader: EnvironmentReader, chosen: readonly Family[]): ResolverConfig {
  const module = reader.text('PROXY_RESOLVER')
  if (module !== undefined) return module
  const answersAlone = reader.has('HTTP_FIXED_BACKEND') || reader.has('HTTP_DIRECT_RESPONSE')
  const endpoints = new Map<Family, string>()
  for (const family of chosen) {
    const name = `${family.toUpperCase()}_BACKEND_ENDPOINT`
    const endpoint = reader.text(name)
    if (endpoint !== undefined) endpoints.set(family, endpoint)
    else if (family !== 'http' || !answersAlone) missing(reader, name)
  }
  return endpointsResolver(endpoints)
}

function missing(reader: EnvironmentReader, name: string): void {
  reader.fail(name, 'is missing: nothing says where to route.', 'Set it, or PROXY_RESOLVER to the path of a resolver.')
}

/** One endpoint for each family, whoever the tenant is. */
function endpointsResolver(endpoints: ReadonlyMap<Family, string>): Resolver {
  return {
    name: 'environment',
    resolve({ protocol }: RouteRequest): Resolution {
      const endpoint = endpoints.get(protocol === 'http' || protocol === 'smtp' ? protocol : 'tcp')
      if (endpoint === undefined) throw new ResolveError('NOT_FOUND')
      return endpoint
    },
  }
}
