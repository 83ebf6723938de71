import type { HttpOptions } from '@proxy/http'
import type { PostgresOptions } from '@proxy/postgres'
import type { TcpOptions } from '@proxy/tcp'
import { z } from 'zod'
import { callback, count, flag, milliseconds, resolutionSchema, type Shape, text, texts } from './schema.ts'

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
}

const postgresShape: Shape<PostgresOptions> = {
  keys: z
    .array(z.enum(['sni', 'options', 'user', 'database']))
    .min(1)
    .optional(),
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
export const tcpOptions: z.ZodType = z.strictObject(tcpShape)
