import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { processTree } from './proc.ts'

export interface StartOptions {
  /** CPU that it may run on, or a list as taskset takes it. */
  readonly core: number | string
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Becomes `nobody` first, for servers that refuse to run as root. */
  readonly unprivileged?: boolean
}

/** Debian keeps servers where an ordinary user's PATH does not look. */
export const searchPath: string = `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`

const isRoot = process.getuid?.() === 0

/** A child process: pinned to a core, told to end when we do, and ended by its id. */
export class Child {
  readonly pid: number
  /** Settles when it has ended, with how. */
  readonly exited: Promise<string>
  /** The end of what it wrote to stderr. */
  complaint = ''
  readonly #process: ChildProcess
  readonly #lines: string[] = []
  #wake: (() => void) | undefined
  #ended: string | undefined

  constructor(child: ChildProcess, pid: number) {
    this.#process = child
    this.pid = pid
    if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => this.#onLine(line))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.complaint = (this.complaint + text).slice(-2000)
    })
    child.stdin?.on('error', () => undefined)
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.#ended = signal ?? `exit code ${code}`
        this.#wake?.()
        resolve(this.#ended)
      })
    })
  }

  /** How it ended; undefined while it runs. */
  get ended(): string | undefined {
    return this.#ended
  }

  #onLine(line: string): void {
    this.#lines.push(line)
    this.#wake?.()
  }

  /** The next line that it prints. Rejects when it ends first, or after `timeoutMs`. */
  async line(timeoutMs: number): Promise<string> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const line = this.#lines.shift()
      if (line !== undefined) return line
      if (this.#ended !== undefined) throw new Error(`ended (${this.#ended}) ${this.complaint.trim()}`.trim())
      if (Date.now() >= deadline) throw new Error(`said nothing for ${timeoutMs} ms`)
      await this.#change(deadline - Date.now())
    }
  }

  async #change(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    const timer = setTimeout(resolve, timeoutMs)
    await promise
    clearTimeout(timer)
    this.#wake = undefined
  }

  /** What it has printed and nobody has read with {@link line}. */
  printed(): string {
    return this.#lines.join('\n')
  }

  say(line: string): void {
    this.#process.stdin?.write(`${line}\n`)
  }

  /** Ends it: asks, and after two seconds insists, of its children too. */
  async stop(): Promise<void> {
    if (this.#ended !== undefined) return
    const timer = setTimeout(() => this.kill(), 2000)
    this.#process.kill('SIGTERM')
    await this.exited
    clearTimeout(timer)
  }

  kill(): void {
    if (this.#ended !== undefined) return
    for (const pid of tree(this.pid)) killQuietly(pid)
  }
}

const tree = (pid: number): number[] => {
  try {
    return processTree(pid)
  } catch {
    return [pid]
  }
}

const killQuietly = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended in the meantime.
  }
}

/** Every child process of a run. */
export class Processes {
  readonly #children = new Set<Child>()

  start(command: string, args: readonly string[], options: StartOptions): Child {
    const identity = options.unprivileged && isRoot ? ['--reuid=nobody', '--regid=nogroup', '--clear-groups'] : []
    const wrapped = ['--pdeathsig', 'TERM', ...identity, '--', 'taskset', '-c', String(options.core), command, ...args]
    const child = spawn('setpriv', wrapped, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env, PATH: searchPath },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    child.once('error', () => undefined)
    if (child.pid === undefined) throw new Error('setpriv and taskset (util-linux) are needed')
    const owned = new Child(child, child.pid)
    this.#children.add(owned)
    void owned.exited.then(() => this.#children.delete(owned))
    return owned
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#children].map((child) => child.stop()))
  }

  /** Without waiting; for the end of our own process. */
  kill(): void {
    for (const child of this.#children) child.kill()
  }
}
