import { dirname } from 'node:path'
import { loadSource } from './config/load.ts'
import { findSource } from './config/source.ts'
import type { GatewayConfig } from './config/types.ts'

export interface LoadConfigOptions {
  /** Default: the first `gateway.config.*` in `directory`, else the environment. */
  readonly file?: string | undefined
  /** Default: the working directory. */
  readonly directory?: string | undefined
  /** Default: that of this process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

/**
 * Finds, reads and checks a configuration. Throws `ConfigError` with every problem. undefined: there is none, and the
 * `gateway` program would run its embedded default.
 */
export async function loadConfig(options: LoadConfigOptions = {}): Promise<GatewayConfig | undefined> {
  const { file, directory: cwd = process.cwd(), env = process.env } = options
  const source = findSource(file, cwd, env)
  if (source.kind === 'embedded') return undefined
  const { config } = await loadSource(source, {
    env,
    cwd: source.kind === 'file' ? dirname(source.path) : cwd,
    generation: 0,
  })
  return config
}
