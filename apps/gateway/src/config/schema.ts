import type { BackendTls, Endpoint, GuardOptions, ListenerLimits, ResolutionRecord, TlsMode } from '@proxy/kernel'
import { z } from 'zod'
import { tokenPattern, tokenRule } from '../admin/token.ts'
import type {
  AccessLogConfig,
  AdminConfig,
  ClusterConfig,
  DrainConfig,
  GatewayConfig,
  ListenerConfig,
  LogConfig,
  TelemetryConfig,
  TlsConfig,
} from './types.ts'

/** A schema for every key of T, none missing and none too many. */
export type Shape<T> = { readonly [K in keyof T]-?: z.ZodType }

export const milliseconds: z.ZodType = z.number().min(0).optional()
export const count: z.ZodType = z.int().min(1).optional()
export const flag: z.ZodType = z.boolean().optional()
export const text: z.ZodType = z.string().min(1).optional()
export const texts: z.ZodType = z.array(z.string().min(1)).optional()
export const callback: z.ZodType = z.custom((value) => typeof value === 'function', 'must be a function.').optional()
const port = z.int().min(0).max(65_535)

export const transports = ['auto', 'node', 'epoll'] as const

/** Where Redis is. Its options are those of ioredis. */
export const redisSource: z.ZodType = z.union([
  z.string().regex(/^rediss?:\/\//, 'must begin with redis:// or rediss://'),
  z.custom((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'must be an object.'),
])

/** PEM text or bytes, or a path. */
const pemText: z.ZodType = z.union([z.string().min(1), z.instanceof(Uint8Array)])
const pem = pemText.optional()

const limits: Shape<ListenerLimits> = {
  maxConnections: count,
  maxConnectionRate: z.number().positive().optional(),
  handshakeTimeoutMs: z.number().min(1).optional(),
  maxHandshakeBytes: z.int().min(1_024).optional(),
}

const certificate = z.strictObject({
  cert: pemText,
  key: pemText,
  passphrase: text,
  serverNames: texts,
  ca: pem,
  requireClientCert: flag,
})

export const tlsModes: readonly TlsMode[] = ['off', 'implicit', 'negotiated', 'passthrough']

const tls: Shape<TlsConfig> = {
  mode: z.enum(tlsModes).optional(),
  cert: pem,
  key: pem,
  required: flag,
  certificates: z.array(certificate).optional(),
  unknownNames: z.enum(['default', 'refuse']).optional(),
  ca: pem,
  requireClientCert: flag,
  minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).optional(),
  maxVersion: z.enum(['TLSv1.2', 'TLSv1.3']).optional(),
  ciphers: text,
  ticketKeys: z.instanceof(Uint8Array).optional(),
  reloadIntervalMs: milliseconds,
  acme: callback,
}

const listener: Shape<ListenerConfig> = {
  address: z.union([z.string().min(1), port]),
  protocol: z.unknown().optional(),
  options: z.unknown().optional(),
  name: text,
  tls: z.strictObject(tls).optional(),
  limits: z.strictObject(limits).optional(),
  proxyProtocol: z.strictObject({ trusted: z.array(z.string().min(1)).min(1) }).optional(),
  idleTimeoutMs: milliseconds,
  backlog: count,
  skipValidation: flag,
  reusePort: flag,
}

const guard: Shape<GuardOptions> = { allow: texts, ports: z.array(port).optional(), dnsTtlMs: milliseconds }

const access: Shape<AccessLogConfig> = { file: text, requests: flag }

const telemetry: Shape<TelemetryConfig> = {
  otlp: z.url({ protocol: /^https?$/ }).optional(),
  traces: z.union([z.boolean(), z.strictObject({ ratio: z.number().min(0).max(1).optional() })]).optional(),
  metrics: z.union([z.boolean(), z.strictObject({ intervalMs: z.number().min(100).optional() })]).optional(),
  resource: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
}

const log: Shape<LogConfig> = {
  level: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).optional(),
  pretty: flag,
  access: z.union([z.boolean(), z.strictObject(access)]).optional(),
}

const cluster: Shape<ClusterConfig> = {
  redis: redisSource,
  prefix: text,
  lockWakes: flag,
  name: text,
}

const drain: Shape<DrainConfig> = { delayMs: milliseconds, deadlineMs: milliseconds }

const admin: Shape<AdminConfig> = {
  address: z.union([z.string().min(1), port]).optional(),
  maxTenants: count,
  token: z.string().regex(tokenPattern, tokenRule).optional(),
  hosts: texts,
}

const backendTls: Shape<BackendTls> = {
  mode: z.enum(['off', 'implicit', 'negotiated']),
  ca: pem,
  serverName: text,
  cert: pem,
  key: pem,
  insecure: flag,
}

const record: Shape<Endpoint> = {
  host: z.string().min(1),
  port: port.optional(),
  weight: z.number().min(0).optional(),
  draining: flag,
}
const endpoint = z.union([z.string().min(1), z.strictObject(record)])

/** What a resolution says beside where the backend is. */
export const resolutionFacts: Shape<Pick<ResolutionRecord, 'metadata' | 'timeoutMs' | 'tls' | 'proxyProtocol'>> = {
  metadata: z.record(z.string(), z.unknown()).optional(),
  timeoutMs: milliseconds,
  tls: z.union([z.enum(['off', 'implicit', 'negotiated']), z.strictObject(backendTls)]).optional(),
  proxyProtocol: z.literal([0, 1, 2]).optional(),
}

const resolution: Shape<ResolutionRecord> = {
  endpoint: z.union([endpoint, z.array(endpoint).min(1)]),
  id: text,
  ...resolutionFacts,
  state: z.enum(['ready', 'asleep']).optional(),
}

/** What a declared resolver may name as a backend. */
export const resolutionSchema: z.ZodType = z.union([z.string().min(1), z.strictObject(resolution)])

/** Keys by the object that they are of. */
export const configKeys: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries({ listener, tls, limits, guard, admin, cluster, log, drain, access, telemetry }).map(
    ([name, shape]) => [name, Object.keys(shape)],
  ),
)

/** A boolean, or options that are checked key by key. */
const switchable = (shape: Record<string, z.ZodType>): z.ZodType =>
  z.union([z.boolean(), z.strictObject(shape)]).optional()

const instances = z.array(z.custom((value) => typeof value === 'object' && value !== null, 'must be an object.'))

/** Keys of the options of the layers that a configuration names. */
export interface LayerShapes {
  readonly balance: Record<string, z.ZodType>
  readonly breaker: Record<string, z.ZodType>
  readonly cache: Record<string, z.ZodType>
  readonly coldStart: Record<string, z.ZodType>
  readonly health: Record<string, z.ZodType>
  readonly idle: Record<string, z.ZodType>
  readonly limits: Record<string, z.ZodType>
  readonly retry: Record<string, z.ZodType>
}

/** Protocols, their options and the resolver are looked at apart: they depend on each other. */
export const gatewaySchema = (layers: LayerShapes): z.ZodType => {
  const shape: Shape<GatewayConfig> = {
    listeners: z.array(z.strictObject(listener)).min(1),
    resolver: z.unknown().optional(),
    layers: instances.optional(),
    relays: instances.optional(),
    cache: switchable(layers.cache),
    coldStart: switchable(layers.coldStart),
    idle: switchable(layers.idle),
    limits: switchable(layers.limits),
    balance: switchable(layers.balance),
    retry: switchable(layers.retry),
    breaker: switchable(layers.breaker),
    health: switchable(layers.health),
    guard: switchable(guard),
    connectTimeoutMs: z.number().min(1).optional(),
    admin: switchable(admin),
    workers: z.union([z.literal('auto'), z.int().min(1).max(1_024)]).optional(),
    transport: z.enum(transports).optional(),
    cluster: z.strictObject(cluster).optional(),
    log: z.strictObject(log).optional(),
    telemetry: z.union([z.literal(false), z.strictObject(telemetry)]).optional(),
    drain: z.strictObject(drain).optional(),
  }
  return z.strictObject(shape)
}
