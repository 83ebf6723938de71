import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { whenEnding } from './ending.ts'
import { programEnv } from './programs.ts'

export interface LaunchOptions {
  readonly cwd?: string | undefined
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** Written to the standard input, which is closed behind it. */
  readonly input?: string | Uint8Array | undefined
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Output extends Exit {
  readonly stdout: string
  readonly stderr: string
}

/** A child process that is owned, and ended, by its id. It is killed when this process ends. */
export class Launched {
  readonly name: string
  readonly child: ChildProcess
  /** Settles when the process ended and its output was read to the end. Rejects when it could not be started. */
  readonly exited: Promise<Exit>
  #stdout = ''
  #stderr = ''
  readonly #listeners = new Set<() => void>()

  constructor(name: string, child: ChildProcess) {
    this.name = name
    this.child = child
    const outlived = whenEnding(() => void child.kill('SIGKILL'))
    this.exited = new Promise((resolve, reject) => {
      child.once('error', (error) => {
        outlived()
        reject(error)
      })
      child.once('close', (code, signal) => {
        outlived()
        resolve({ code, signal })
      })
    })
    // Whoever waits for it sees the error too; alone it must not end the test run.
    this.exited.catch(() => undefined)
    this.#collect(child.stdout, (text) => (this.#stdout += text))
    this.#collect(child.stderr, (text) => (this.#stderr += text))
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`${this.name} was not started`)
    return this.child.pid
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  get stdout(): string {
    return this.#stdout
  }

  get stderr(): string {
    return this.#stderr
  }

  get output(): string {
    return this.#stdout + this.#stderr
  }

  /**
   * Settles as soon as the output, from `offset` on, matches; rejects with the output when the process ends first or
   * after `timeoutMs` (default 30,000).
   */
  async waitFor(pattern: RegExp, options: { timeoutMs?: number; offset?: number } = {}): Promise<RegExpExecArray> {
    const timer = Promise.withResolvers<never>()
    const timeout = setTimeout(
      () => timer.reject(this.#failure(`printed nothing like ${pattern}`)),
      options.timeoutMs ?? 30_000,
    )
    const found = Promise.withResolvers<RegExpExecArray>()
    const look = (): void => {
      const match = pattern.exec(this.output.slice(options.offset ?? 0))
      if (match !== null) found.resolve(match)
    }
    this.#listeners.add(look)
    look()
    try {
      return await Promise.race([found.promise, timer.promise, this.#endedFirst(pattern)])
    } finally {
      clearTimeout(timeout)
      this.#listeners.delete(look)
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  /** Sends `signal`, kills after `graceMs` (default 10,000), and waits for the end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', graceMs = 10_000): Promise<Exit> {
    if (this.running) this.child.kill(signal)
    const timer = setTimeout(() => this.child.kill('SIGKILL'), graceMs)
    try {
      return await this.exited
    } finally {
      clearTimeout(timer)
    }
  }

  #collect(stream: Readable | null, add: (text: string) => void): void {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      add(text)
      for (const listener of this.#listeners) listener()
    })
  }

  async #endedFirst(pattern: RegExp): Promise<never> {
    const exit = await this.exited
    throw this.#failure(`ended (${exit.signal ?? exit.code}) before it printed anything like ${pattern}`)
  }

  #failure(what: string): Error {
    return new Error(`${this.name} ${what}\n${this.output}`)
  }
}

/** Starts a program and collects what it prints. */
export function launch(command: string, args: readonly string[] = [], options: LaunchOptions = {}): Launched {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...programEnv, ...options.env },
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  })
  // A program that ends without reading its input is no error here; its exit code tells.
  child.stdin?.on('error', () => undefined).end(options.input)
  return new Launched(command.split('/').at(-1) ?? command, child)
}

/** Runs a program to its end, whatever its exit code. */
export async function run(command: string, args: readonly string[] = [], options: LaunchOptions = {}): Promise<Output> {
  const launched = launch(command, args, options)
  const exit = await launched.exited
  return { ...exit, stdout: launched.stdout, stderr: launched.stderr }
}

/** Runs a program to its end and throws, with everything it printed, unless it exits with 0. */
export async function runOrThrow(
  command: string,
  args: readonly string[] = [],
  options: LaunchOptions = {},
): Promise<Output> {
  const output = await run(command, args, options)
  if (output.code === 0) return output
  throw new Error(`${command} failed (${output.signal ?? output.code})\n${output.stdout}${output.stderr}`)
}
