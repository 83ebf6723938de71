import type { Resolver } from '@proxy/kernel'
import type { DockerResolverOptions, DockerTls } from '@proxy/resolver-docker'
import type { HttpResolverOptions } from '@proxy/resolver-http'
import type { KubernetesResolverOptions } from '@proxy/resolver-kubernetes'
import type { ProcessResolverOptions, ProcessSpec, ServerSpec } from '@proxy/resolver-process'
import type { RedisResolverOptions } from '@proxy/resolver-redis'
import { z } from 'zod'
import { processLog } from '../logging/process-log.ts'
import { redisLog } from '../logging/redis-log.ts'
import type { LoadedConfig } from './load.ts'
import { backendsIn } from './process-backends.ts'
import { callback, count, flag, milliseconds, redisSource, resolutionFacts, type Shape, text } from './schema.ts'

/** A resolver that a configuration declares by its name. */
interface Declared {
  readonly options: z.ZodType
  /** Given options that were checked. The package is loaded here, so that one that is not named costs nothing. */
  make(options: never, loaded: LoadedConfig): Promise<Resolver>
}

const pem: z.ZodType = z.union([z.string().min(1), z.instanceof(Uint8Array)]).optional()

/** Names by key, or a function. */
const names: z.ZodType = z
  .union([z.record(z.string(), z.string().min(1)), z.custom((value) => typeof value === 'function')])
  .optional()

const functionOf: z.ZodType = z.custom((value) => typeof value === 'function', 'must be a function.')

const dockerTls: Shape<DockerTls> = { ca: pem, cert: pem, key: pem }

const docker: Shape<DockerResolverOptions> = {
  host: text,
  tls: z.strictObject(dockerTls).optional(),
  containers: names,
  labelPrefix: text,
  network: text,
  sleep: z.enum(['stop', 'pause']).optional(),
  stopTimeoutMs: milliseconds,
}

const kubernetes: Shape<KubernetesResolverOptions> = {
  namespace: text,
  labelSelector: text,
  services: names,
  workload: z.enum(['deployment', 'statefulset']).optional(),
  scaleToZero: flag,
  kubeconfig: z.union([z.string().min(1), z.custom((value) => typeof value === 'object' && value !== null)]).optional(),
}

const redis: Shape<RedisResolverOptions> = {
  redis: redisSource.optional(),
  prefix: text,
  commandTimeoutMs: milliseconds,
  leaseMs: milliseconds,
  maxRoutes: count,
  onState: callback,
}

const http: Shape<HttpResolverOptions> = {
  url: z.string().min(1),
  token: text,
  timeoutMs: z.number().min(1).optional(),
  connections: count,
  ttlMs: milliseconds,
  negativeTtlMs: milliseconds,
  maxEntries: count,
  wakeUrl: text,
  sleepUrl: text,
}

const processSpec: Shape<ProcessSpec> = {
  ...resolutionFacts,
  command: z.string().min(1),
  args: z.array(z.string()).optional(),
  cwd: text,
  env: z.record(z.string(), z.string()).optional(),
  user: z.strictObject({ uid: z.int().min(0), gid: z.int().min(0) }).optional(),
  endpoint: text,
  ready: z.union([z.enum(['started', 'listening']), z.strictObject({ output: z.string().min(1) })]).optional(),
  startTimeoutMs: z.number().min(1).optional(),
  stopSignal: z
    .string()
    .regex(/^SIG[A-Z0-9]+$/, 'must be the name of a signal.')
    .optional(),
  stopTimeoutMs: milliseconds,
}

const serverSpec: Shape<ServerSpec> = {
  ...resolutionFacts,
  server: functionOf,
  endpoint: z.string().min(1),
  startTimeoutMs: z.number().min(1).optional(),
}

const backendSpec: z.ZodType = z.union([z.strictObject(processSpec), z.strictObject(serverSpec)])

const processes: Shape<ProcessResolverOptions> = {
  backends: z.union([z.record(z.string(), backendSpec), functionOf]),
  nameOf: callback,
  onOutput: callback,
  onExit: callback,
}

const declared = {
  docker: {
    options: z.strictObject(docker),
    make: async (options: DockerResolverOptions) => (await import('@proxy/resolver-docker')).dockerResolver(options),
  },
  kubernetes: {
    options: z.strictObject(kubernetes),
    make: async (options: KubernetesResolverOptions) =>
      (await import('@proxy/resolver-kubernetes')).kubernetesResolver(options),
  },
  http: {
    options: z.strictObject(http),
    make: async (options: HttpResolverOptions) => (await import('@proxy/resolver-http')).httpResolver(options),
  },
  process: {
    options: z.strictObject(processes),
    make: async (options: ProcessResolverOptions, loaded: LoadedConfig) => {
      const { processResolver } = await import('@proxy/resolver-process')
      const backends = backendsIn(loaded.directory, options.backends)
      return processResolver({ ...processLog(loaded), ...options, backends })
    },
  },
  redis: {
    options: z.strictObject(redis),
    make: async (options: RedisResolverOptions, loaded: LoadedConfig) => {
      const { redisResolver } = await import('@proxy/resolver-redis')
      return redisResolver({ onState: redisLog(loaded), ...options })
    },
  },
} satisfies Record<string, Declared>

export const declaredResolvers: ReadonlyMap<string, Declared> = new Map<string, Declared>(Object.entries(declared))

/** undefined: the configuration is of another form. */
export function declaredResolver(config: object, loaded: LoadedConfig): Promise<Resolver> | undefined {
  for (const [name, options] of Object.entries(config)) {
    const found = declaredResolvers.get(name)
    if (found !== undefined) return found.make(options as never, loaded)
  }
  return undefined
}
