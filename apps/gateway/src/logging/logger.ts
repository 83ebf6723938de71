import { LineBuffer, standardOutput } from '@proxy/telemetry'
import { fstatSync } from 'node:fs'
import { type DestinationStream, type Logger, pino } from 'pino'
import { build as prettyStream } from 'pino-pretty'
import type { LogConfig } from '../config/types.ts'

export type { Logger }

/** JSON lines on the standard output, or text for people when that is a terminal. */
export function createLogger(config: LogConfig = {}, bindings: Record<string, unknown> = {}): Logger {
  const options = { level: config.level ?? 'info', base: bindings }
  return pino(options, destination(config.pretty ?? process.stdout.isTTY))
}

/** Bytes that are kept while nothing can be written, as when the disk is full. Later lines are dropped. */
const mostUnwritten = 1_048_576

// Synchronous: the last lines before the end of the process are the ones that matter.
function destination(pretty: boolean): DestinationStream {
  if (!pretty) return isPiped() ? new LineBuffer(standardOutput(), { maxWaiting: mostUnwritten, delayMs: 0 }) : lines(1)
  return prettyStream({
    colorize: true,
    sync: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
    singleLine: true,
  })
}

/** A pipe that nobody reads would hold up the process at the next line. */
function isPiped(): boolean {
  const output = fstatSync(1)
  return output.isFIFO() || output.isSocket()
}

/** Appends to a file, or to what is open under a number. */
export function lines(dest: string | number): SonicBoom {
  return pino.destination({ dest, sync: true, maxLength: mostUnwritten })
}

type SonicBoom = ReturnType<typeof pino.destination>
