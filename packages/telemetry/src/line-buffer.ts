import { setTimeout as delay } from 'node:timers/promises'
import { LineChunks } from './line-chunks.ts'
import type { LogSink } from './log-sinks.ts'

export interface LineBufferOptions {
  /** Bytes that may wait; lines that find no room are dropped. Default 4 Mi. */
  readonly maxWaiting?: number | undefined
  /** Lines wait for so long for others to be written with, in milliseconds; 0 = not at all. Default 100. */
  readonly delayMs?: number | undefined
  /** Told of every line that is dropped. */
  readonly onDropped?: (() => void) | undefined
}

/** A sink that failed is tried again after this: a disk that was full may have room again. */
const retryMs = 500
const closeDeadlineMs = 1_000

/**
 * Lines on their way to a sink that may be slow, full or blocked. They never hold up whoever writes them: so many wait, more are
 * dropped. The sink gets whole lines in the order they came, and none twice.
 */
export class LineBuffer {
  readonly #sink: LogSink
  readonly #maxWaiting: number
  readonly #delayMs: number
  readonly #onDropped: () => void
  readonly #lines: LineChunks
  /** Of the chunk that is under way, what the sink has not taken. */
  #rest: Buffer | undefined = undefined
  #writing = false
  #timer: NodeJS.Timeout | undefined = undefined
  #closed = false

  constructor(sink: LogSink, options: LineBufferOptions = {}) {
    this.#sink = sink
    this.#lines = new LineChunks(sink.maxChunkBytes)
    this.#maxWaiting = options.maxWaiting ?? 4 * 1_024 * 1_024
    this.#delayMs = options.delayMs ?? 100
    this.#onDropped = options.onDropped ?? (() => undefined)
  }

  /** `line` ends with a line feed. Never throws and never waits. */
  write(line: string): void {
    const lines = this.#lines
    if (this.#closed || lines.bytes + line.length > this.#maxWaiting) return this.#onDropped()
    lines.add(line)
    if (this.#writing || this.#rest !== undefined) return
    if (this.#delayMs === 0) return this.flush()
    if (lines.full) this.#send(false)
    if (this.#timer === undefined) this.#later(this.#delayMs)
  }

  /** Writes what waits, unless the sink is busy or has just failed. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#send(true)
  }

  /** The file was renamed: lines go to a new one from here. */
  reopen(): void {
    this.#sink.reopen()
  }

  /** Writes what waits, for at most a second. What comes later is dropped. */
  async close(): Promise<void> {
    this.#closed = true
    const deadline = performance.now() + closeDeadlineMs
    this.flush()
    while ((this.#writing || this.#lines.bytes > 0 || this.#rest !== undefined) && performance.now() < deadline) {
      await delay(10)
    }
    clearTimeout(this.#timer)
    this.#drop()
    this.#sink.close()
  }

  /** `all`: even a chunk that would take more lines. Each write costs the waking of a thread. */
  #send(all: boolean): void {
    while (!this.#writing) {
      if (this.#rest === undefined && (all || this.#lines.full)) this.#rest = this.#lines.take()?.bytes
      if (this.#rest === undefined || !this.#writeRest()) return
    }
  }

  #written(): void {
    this.#send(this.#closed || this.#delayMs === 0)
    if (!this.#writing && this.#lines.bytes > 0) this.#later(this.#delayMs)
  }

  /** False: the sink has failed, and is tried again later. */
  #writeRest(): boolean {
    const chunk = this.#rest!
    let failed = false
    this.#writing = true
    let here = true
    this.#sink.write(chunk, (error, bytes) => {
      this.#writing = false
      failed = error !== null
      this.#rest = bytes >= chunk.length ? undefined : chunk.subarray(bytes)
      if (failed) this.#later(retryMs)
      else if (!here) this.#written()
    })
    here = false
    return !failed
  }

  /** What waits will not be written. */
  #drop(): void {
    for (let chunk = this.#lines.take(); chunk !== undefined; chunk = this.#lines.take()) {
      for (let line = 0; line < chunk.lines; line++) this.#onDropped()
    }
  }

  #later(delayMs: number): void {
    if (this.#timer !== undefined) return
    this.#timer = setTimeout(() => this.flush(), delayMs)
    this.#timer.unref()
  }
}
