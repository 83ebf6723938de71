import { type ChildProcess, spawn } from 'node:child_process'
import { atExit } from './at-exit.ts'
import { type Command, commandLine } from './command-line.ts'
import { Output } from './output-lines.ts'
import { watchOver } from './watchdog.ts'

const pipesMs = 500

export interface ChildOptions {
  /** Sent when this process dies without having ended the child. */
  readonly farewell: NodeJS.Signals
  /** How long after that what is left of it is killed. */
  readonly graceMs: number
  readonly input?: string | undefined
  readonly onLine?: ((line: string) => void) | undefined
}

/** A process in a group of its own: Ctrl-C is for the gateway, and whatever it starts in turn ends with it. */
export class Child {
  readonly output: Output
  /** Settles with how it ended, in words, when the whole group is gone. Rejects when it could not be started. */
  readonly ended: Promise<string>
  readonly #child: ChildProcess
  readonly #command: string

  constructor(line: Command, { farewell, graceMs, input, onLine }: ChildOptions) {
    this.#command = line.command
    const [program, args] = commandLine(line, farewell)
    const env = { ...process.env, ...line.env }
    const stdin = input === undefined ? 'ignore' : 'pipe'
    this.#child = spawn(program, args, { cwd: line.cwd, detached: true, stdio: [stdin, 'pipe', 'pipe'], env })
    // One that ends without reading its input tells by its exit code.
    this.#child.stdin?.on('error', () => undefined).end(input)
    this.output = new Output(this.#child, onLine)
    const unwatch = this.pid === undefined ? undefined : watchOver(this.pid, graceMs)
    const outlived = atExit(() => this.kill())
    this.ended = this.#end().finally(() => {
      unwatch?.()
      outlived()
    })
    this.ended.catch(() => undefined)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Code 0. */
  get succeeded(): boolean {
    return this.#child.exitCode === 0
  }

  /** Rejects when it could not be started. */
  async started(): Promise<void> {
    if (this.pid === undefined) await this.ended
  }

  /** To the process alone: it is up to it to tell its children. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** The whole group, at once. */
  kill(): void {
    try {
      if (this.pid !== undefined) process.kill(-this.pid, 'SIGKILL')
    } catch {
      // Nobody is left in it.
    }
  }

  #closePipes(): void {
    this.#child.stdout?.destroy()
    this.#child.stderr?.destroy()
  }

  #end(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('exit', (code, signal) => {
        this.kill()
        // Its pipes stay open for as long as one that left the group has them.
        const timer = setTimeout(() => this.#closePipes(), pipesMs)
        this.#child.once('close', () => {
          clearTimeout(timer)
          resolve(`${this.#command} ended (${signal ?? `code ${code}`})`)
        })
      })
    })
  }
}
