import { close, fstatSync, mkdirSync, openSync, write, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Writable } from 'node:stream'
import type { Disposer } from '@proxy/kernel'

/** Called once for each chunk, with how much of it was taken. */
export type Written = (error: Error | null, bytes: number) => void

/** Where lines go. */
export interface LogSink {
  /** Chunks are no longer, so that what several processes write at a time stays whole lines. */
  readonly maxChunkBytes: number
  write(chunk: Buffer, done: Written): void
  /** Opens the file of that name anew: it was renamed to be kept. */
  reopen(): void
  close(): void
}

/** What a write to a pipe does at once or not at all (POSIX: PIPE_BUF). */
const atomicBytes = 4_096
const fileChunkBytes = 65_536

/** The standard output, whatever it is. */
export function standardOutput(): LogSink {
  const facts = fstatSync(1)
  return facts.isFIFO() || facts.isSocket() ? new StreamSink(process.stdout) : new DescriptorSink(1)
}

/** A pipe that nobody reads takes no more; the stream then waits without blocking the process. */
export class StreamSink implements LogSink {
  readonly maxChunkBytes: number = atomicBytes
  readonly #stream: Writable
  readonly #forget: Disposer

  constructor(stream: Writable) {
    this.#stream = stream
    // The callback of the write says it, too.
    const ignore = (): void => undefined
    stream.on('error', ignore)
    this.#forget = () => void stream.removeListener('error', ignore)
  }

  write(chunk: Buffer, done: Written): void {
    const stream = this.#stream
    if (!stream.writable) return done(new Error('the log is closed'), 0)
    let taken = false
    stream.write(chunk, (error) => {
      if (!taken) done(error ?? null, error instanceof Error ? 0 : chunk.length)
    })
    // Whoever ends the process next must find nothing left to be written.
    taken = stream.writableLength === 0
    if (taken) done(null, chunk.length)
  }

  reopen(): void {}

  close(): void {
    this.#forget()
  }
}

/** A terminal or a file that is open already: written to at once, for the last lines of a process are the ones that matter. */
export class DescriptorSink implements LogSink {
  readonly maxChunkBytes: number = fileChunkBytes
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  write(chunk: Buffer, done: Written): void {
    let bytes = 0
    try {
      bytes = writeSync(this.#fd, chunk)
    } catch (error) {
      return done(error as Error, 0)
    }
    done(null, bytes)
  }

  reopen(): void {}
  close(): void {}
}

/** A file of the log's own: a slow disk holds up nothing but the log. */
export class FileSink implements LogSink {
  readonly maxChunkBytes: number = fileChunkBytes
  readonly #path: string
  #fd: number
  #busy = false
  #stale: number[] = []

  /** Throws the system's error when the file cannot be opened. */
  constructor(path: string) {
    this.#path = path
    mkdirSync(dirname(path), { recursive: true })
    this.#fd = openSync(path, 'a')
  }

  write(chunk: Buffer, done: Written): void {
    this.#busy = true
    write(this.#fd, chunk, (error, bytes) => {
      this.#busy = false
      this.#closeStale()
      done(error, error === null ? bytes : 0)
    })
  }

  reopen(): void {
    const fd = openSync(this.#path, 'a')
    this.#stale.push(this.#fd)
    this.#fd = fd
    if (!this.#busy) this.#closeStale()
  }

  close(): void {
    this.#stale.push(this.#fd)
    if (!this.#busy) this.#closeStale()
  }

  #closeStale(): void {
    for (const fd of this.#stale) close(fd)
    this.#stale = []
  }
}
