import type { ProcessResolverOptions } from '@proxy/resolver-process'
import type { LoadedConfig } from '../config/load.ts'
import { createLogger } from './logger.ts'

/** What processes print, at `debug`, and that one has ended by itself. */
export function processLog({ config }: LoadedConfig): Pick<ProcessResolverOptions, 'onOutput' | 'onExit'> {
  const logger = createLogger(config.log)
  return {
    onOutput: (backend, line) => logger.debug({ backend }, line),
    onExit: (backend, reason) => logger.warn({ backend }, `${reason}; the next connection starts it again`),
  }
}
