import { type DestinationStream, type Logger, pino } from 'pino'
import { build as prettyStream } from 'pino-pretty'
import type { LogConfig } from '../config/types.ts'

export type { Logger }

/** JSON lines on the standard output, or text for people when that is a terminal. */
export function createLogger(config: LogConfig = {}, bindings: Record<string, unknown> = {}): Logger {
  const options = { level: config.level ?? 'info', base: bindings }
  return pino(options, destination(config.pretty ?? process.stdout.isTTY))
}

// Synchronous: the last lines before the end of the process are the ones that matter.
function destination(pretty: boolean): DestinationStream {
  if (!pretty) return pino.destination({ dest: 1, sync: true })
  return prettyStream({
    colorize: true,
    sync: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
    singleLine: true,
  })
}
