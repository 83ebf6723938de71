import type { Disposer, Hooks, Layer, LayerContext } from '@proxy/kernel'
import { LineBuffer } from './line-buffer.ts'
import { requestLine } from './request-line.ts'
import { sessionLine } from './session-line.ts'
import { SharedSetup } from './shared-setup.ts'
import { FileSink, type LogSink, standardOutput } from './log-sinks.ts'

export interface AccessLogOptions {
  /** Path of the file that lines are added to. Default: the standard output. */
  readonly file?: string | undefined
  /** A line for every HTTP request, too. Default false. */
  readonly requests?: boolean | undefined
  /** Members of every line, as `{ worker: 1 }`. */
  readonly base?: Readonly<Record<string, string | number>> | undefined
  /** Told of every line that was dropped because the ones before it could not be written. */
  readonly onDropped?: (() => void) | undefined
}

/** A layer that only observes. */
export interface AccessLog extends Layer {
  /** Goes on in a new file of the same name: the old one was renamed. Throws the system's error when it cannot be opened. */
  reopen(): void
  /** Writes what waits, for at most a second. */
  close(): Promise<void>
}

/**
 * One line of JSON for every session: who, whose, how it ended and why, where the time went. A disk that is full or a pipe that
 * nobody reads holds up no session: 4 MiB of lines wait, the others are dropped. Throws the system's error when the file cannot be opened.
 */
export function accessLog(options: AccessLogOptions = {}): AccessLog {
  return new AccessLogLayer(options, options.file === undefined ? standardOutput() : new FileSink(options.file))
}

/** `accessLog()` into a sink. */
export class AccessLogLayer implements AccessLog {
  readonly name = 'access-log'
  readonly #options: AccessLogOptions
  readonly #lines: LineBuffer
  readonly #shared = new SharedSetup()

  constructor(options: AccessLogOptions, sink: LogSink) {
    this.#options = options
    this.#lines = new LineBuffer(sink, { onDropped: options.onDropped })
  }

  setup({ hooks }: Pick<LayerContext, 'hooks'>): Disposer {
    return this.#shared.use(() => this.#observe(hooks))
  }

  #observe(hooks: Hooks): Disposer[] {
    const { base = {}, requests = false } = this.#options
    const lines = this.#lines
    const members = Object.entries(base).map((entry) => `${entry.map((part) => JSON.stringify(part)).join(':')},`)
    const start = members.join('')
    const disposers = [hooks.on('session:end', (event) => lines.write(sessionLine(event, start, Date.now())))]
    if (requests) disposers.push(hooks.on('request:end', (event) => lines.write(requestLine(event, start, Date.now()))))
    return disposers
  }

  reopen(): void {
    this.#lines.reopen()
  }

  close(): Promise<void> {
    return this.#lines.close()
  }
}
