import { basename, dirname } from 'node:path'
import type { ResolveFunction, Resolver } from '@proxy/kernel'
import { embeddedConfig } from '../embedded/config.ts'
import type { EmbeddedPlan } from '../embedded/plan.ts'
import { environmentConfig, processConfig } from '../env/config.ts'
import { EnvironmentReader } from '../env/reader.ts'
import type { Environment } from '../env/variables.ts'
import { ConfigError } from './problems.ts'
import { readConfigFile } from './read-file.ts'
import type { ConfigSource } from './source.ts'
import { transports } from './schema.ts'
import type { GatewayConfig } from './types.ts'
import { validate } from './validate.ts'

/** A configuration whose every key was checked. */
export interface LoadedConfig {
  readonly config: GatewayConfig
  /** Against which relative paths in it are taken. */
  readonly directory: string
  /** For messages. */
  readonly source: string
  /** Changes from one reload to the next. */
  readonly generation: number
}

export interface LoadContext {
  readonly env: Environment
  readonly cwd: string
  readonly generation: number
  /** For the embedded default only. */
  readonly embedded?: EmbeddedSource | undefined
}

export interface EmbeddedSource {
  readonly plan: EmbeddedPlan
  /** In a worker, and where nothing is routed, one that knows nothing. */
  readonly resolver: Resolver | ResolveFunction
}

/** Reads and checks a configuration. Throws {@link ConfigError} with every problem. */
export async function loadSource(source: ConfigSource, context: LoadContext): Promise<LoadedConfig> {
  const { value, directory, name } = await read(source, context)
  const problems = validate(value)
  if (problems.length > 0) throw new ConfigError(name, problems)
  const config = withTransport(value as GatewayConfig, context.env)
  return { config, directory, source: name, generation: context.generation }
}

/** Wherever the configuration is from, the environment may say what it leaves open. */
function withTransport(config: GatewayConfig, env: Environment): GatewayConfig {
  if (config.transport !== undefined) return config
  const reader = new EnvironmentReader(env)
  const transport = reader.oneOf('PROXY_TRANSPORT', transports)
  if (reader.problems.length > 0) throw new ConfigError('environment', reader.problems)
  return { ...config, transport }
}

interface Read {
  readonly value: unknown
  readonly directory: string
  readonly name: string
}

async function read(source: ConfigSource, context: LoadContext): Promise<Read> {
  const { env, cwd, generation } = context
  switch (source.kind) {
    case 'file': {
      const value = await readConfigFile(source.path, generation)
      return { value, directory: dirname(source.path), name: basename(source.path) }
    }
    case 'environment':
      return { value: environmentConfig(env), directory: cwd, name: 'environment' }
    case 'embedded':
      return { value: embedded(source, context), directory: cwd, name: 'embedded default' }
    case 'inline':
      return { value: source.config, directory: source.directory, name: 'config' }
  }
}

function embedded(
  source: ConfigSource & { kind: 'embedded' },
  { env, embedded: backends }: LoadContext,
): GatewayConfig {
  if (backends === undefined) throw new Error('the embedded default needs its backends')
  const reader = new EnvironmentReader(env)
  const settings = processConfig(reader)
  if (reader.problems.length > 0) throw new ConfigError('environment', reader.problems)
  return { ...embeddedConfig(source.ports, backends.plan, backends.resolver), ...settings }
}
