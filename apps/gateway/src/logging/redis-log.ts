import type { StateListener } from '@proxy/resolver-redis'
import type { LoadedConfig } from '../config/load.ts'
import { createLogger, type Logger } from './logger.ts'

/** Says that Redis is away, and that it is back. */
export function redisLog({ config }: LoadedConfig): StateListener {
  let logger: Logger | undefined
  let away = false
  return (state, error) => {
    if (state === 'ready' && !away) return
    away = state === 'stale'
    logger ??= createLogger(config.log)
    if (away) logger.warn({ err: error }, 'Redis is away; the routes known so far are served')
    else logger.info('Redis is back; routes are looked up again')
  }
}
