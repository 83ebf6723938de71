import { fileURLToPath } from 'node:url'
import type { Address } from '@proxy/kernel'
import type { ConfigSource } from './config/source.ts'
import type { GatewayConfig } from './config/types.ts'
import type { BoundListener } from './fleet/unit.ts'
import { createLogger } from './logging/logger.ts'
import { Supervisor } from './supervisor.ts'

export interface StartOptions {
  /** Against which relative paths in the configuration are taken. Default: the working directory. */
  readonly directory?: string | undefined
}

/** A gateway in this process. */
export interface RunningGateway {
  /** As they were bound, in the order of the configuration. */
  readonly listeners: readonly BoundListener[]
  /** undefined: no admin listener. */
  readonly admin: Address | undefined
  /** Stops accepting, lets sessions finish until the deadline of the configuration, then closes. */
  drain(): Promise<void>
  /** Ends everything at once. */
  close(): Promise<void>
}

/**
 * Runs a gateway inside of this process: always a single worker, and no signal is listened to. Rejects with `ConfigError`
 * or with the reason why an address could not be bound.
 */
export async function startGateway(config: GatewayConfig, options: StartOptions = {}): Promise<RunningGateway> {
  const directory = options.directory ?? process.cwd()
  const source: ConfigSource = { kind: 'inline', config, directory }
  const exec = fileURLToPath(import.meta.url)
  const logger = createLogger(config.log)
  const supervisor = new Supervisor({ source, env: {}, cwd: directory, logger, workers: 1, exec })
  const { listeners, admin } = await supervisor.open()
  return { listeners, admin, drain: () => supervisor.drain(), close: () => supervisor.close() }
}
