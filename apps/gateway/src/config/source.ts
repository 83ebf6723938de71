import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { EmbeddedPorts } from '../embedded/config.ts'
import { embeddedPorts } from '../embedded/config.ts'
import { EnvironmentReader } from '../env/reader.ts'
import { configures, type Environment } from '../env/variables.ts'
import { ConfigError } from './problems.ts'
import type { GatewayConfig } from './types.ts'

/** Where a configuration comes from. All but `inline` can be named to another process. */
export type ConfigSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'environment' }
  | { readonly kind: 'embedded'; readonly ports: EmbeddedPorts }
  | { readonly kind: 'inline'; readonly config: GatewayConfig; readonly directory: string }

/** In the order in which they are looked for. */
export const configFiles: readonly string[] = ['ts', 'js', 'mjs', 'json', 'yaml', 'yml'].map(
  (extension) => `gateway.config.${extension}`,
)

/** A file that is named, one in the working directory, the environment, or else the embedded default. */
export function findSource(file: string | undefined, cwd: string, env: Environment): ConfigSource {
  if (file !== undefined) return { kind: 'file', path: named(file, cwd) }
  const found = configFiles.map((name) => join(cwd, name)).find((path) => existsSync(path))
  if (found !== undefined) return { kind: 'file', path: found }
  return configures(env) ? { kind: 'environment' } : { kind: 'embedded', ports: portsOf(env) }
}

function named(file: string, cwd: string): string {
  const path = resolve(cwd, file)
  if (!existsSync(path)) throw new ConfigError(file, [{ path: '', message: 'there is no such file.' }])
  return path
}

function portsOf(env: Environment): EmbeddedPorts {
  const reader = new EnvironmentReader(env)
  const ports = {
    http: reader.port('HTTP_PORT') ?? embeddedPorts.http,
    postgres: reader.port('TCP_POSTGRES_PORT') ?? embeddedPorts.postgres,
    mysql: reader.port('TCP_MYSQL_PORT') ?? embeddedPorts.mysql,
    mongodb: reader.port('TCP_MONGODB_PORT') ?? embeddedPorts.mongodb,
    smtp: reader.port('SMTP_PORT') ?? embeddedPorts.smtp,
    admin: reader.port('ADMIN_PORT') ?? embeddedPorts.admin,
  }
  if (reader.problems.length > 0) throw new ConfigError('environment', reader.problems)
  return ports
}
