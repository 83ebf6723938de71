import type { HttpOptions } from '@proxy/http'
import type { MongodbOptions, WireRange } from '@proxy/mongodb'
import type { MysqlOptions } from '@proxy/mysql'
import type { PostgresOptions } from '@proxy/postgres'
import type { SmtpOptions } from '@proxy/smtp'
import type { TcpOptions } from '@proxy/tcp'
import { z } from 'zod'
import { callback, count, flag, milliseconds, resolutionSchema, type Shape, text, texts } from './schema.ts'

const sources = (known: readonly string[]): z.ZodType => z.array(z.enum(known)).min(1).optional()
const positiveMs: z.ZodType = z.number().min(1).optional()

const httpShape: Shape<HttpOptions> = {
  backend: resolutionSchema.optional(),
  directResponse: z.strictObject({ body: z.string(), status: z.int().min(200).max(599).optional() }).optional(),
  onRequest: callback,
  poolSize: count,
  poolTimeoutMs: milliseconds,
  poolIdleTimeoutMs: milliseconds,
  keepAliveTimeoutMs: milliseconds,
  requestTimeoutMs: milliseconds,
  headTimeoutMs: milliseconds,
  bodyTimeoutMs: milliseconds,
  maxHeadBytes: count,
  telemetryHeaders: flag,
  http2: flag,
  h2c: flag,
  maxConcurrentStreams: count,
  backendHttp2: z.enum(['grpc', 'always', 'never']).optional(),
  trustedProxies: texts,
  readyPath: text,
  tracer: z
    .custom<NonNullable<HttpOptions['tracer']>>(
      (value) => typeof (value as HttpOptions['tracer'])?.start === 'function',
    )
    .optional(),
}

const postgresShape: Shape<PostgresOptions> = {
  keys: sources(['sni', 'options', 'user', 'database']),
  sniDomain: text,
  optionName: text,
  userPart: z.enum(['prefix', 'suffix']).optional(),
  userSeparator: text,
  rewrite: callback,
  readinessTimeoutMs: milliseconds,
  node: z.int().min(0).max(255).optional(),
  nodes: z.record(z.string(), resolutionSchema).optional(),
  maxCancelRate: z.number().positive().optional(),
}

const mysqlShape: Shape<MysqlOptions> = {
  keys: sources(['database', 'sni', 'user']),
  sniDomain: text,
  userPart: z.enum(['prefix', 'suffix']).optional(),
  userSeparator: text,
  defaultKey: text,
  rewrite: callback,
  serverVersion: text,
  authPlugin: z.enum(['mysql_native_password', 'caching_sha2_password']).optional(),
  features: z.array(z.enum(['deprecateEof', 'sessionTrack', 'queryAttributes', 'optionalMetadata'])).optional(),
  passwordBridge: z.enum(['refuse', 'rsa', 'allow']).optional(),
  routeByInitDb: flag,
  readinessTimeoutMs: milliseconds,
  node: z.int().min(0).max(15).optional(),
}

const wireRange: Shape<WireRange> = { min: z.int().min(0).max(1_000), max: z.int().min(0).max(1_000) }

const mongodbShape: Shape<MongodbOptions> = {
  keys: sources(['sni', 'authSource', 'database', 'user', 'appName']),
  sniDomain: text,
  userPart: z.enum(['prefix', 'suffix']).optional(),
  userSeparator: text,
  defaultKey: text,
  databaseKey: callback,
  sessions: flag,
  wireVersions: z.strictObject(wireRange).optional(),
  serverVersion: text,
  mechanisms: z.array(z.string().min(1)).min(1).optional(),
  readinessTimeoutMs: milliseconds,
}

const smtpShape: Shape<SmtpOptions> = {
  lmtp: flag,
  keys: sources(['helo', 'recipient', 'user', 'sni']),
  hostname: text,
  extensions: texts,
  plainAuth: flag,
  xclient: flag,
  readinessTimeoutMs: positiveMs,
  idleTimeoutMs: positiveMs,
  maxErrors: count,
}

const tcpShape: Shape<TcpOptions> = {
  name: text,
  key: text,
  extract: callback,
  transform: z.custom((value) => typeof value === 'object' && value !== null, 'must be an object.').optional(),
  detect: callback,
  alpn: texts,
  idleTimeoutMs: milliseconds,
}

export const httpOptions: z.ZodType = z.strictObject(httpShape)
export const postgresOptions: z.ZodType = z.strictObject(postgresShape)
export const mysqlOptions: z.ZodType = z.strictObject(mysqlShape)
export const mongodbOptions: z.ZodType = z.strictObject(mongodbShape)
export const smtpOptions: z.ZodType = z.strictObject(smtpShape)
export const tcpOptions: z.ZodType = z.strictObject(tcpShape)
