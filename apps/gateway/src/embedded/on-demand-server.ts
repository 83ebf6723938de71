import type { ChildProcess } from 'node:child_process'
import { type ServerAccount, serverAccount } from './account.ts'
import { makeDirectory, removeDirectory } from './directories.ts'
import type { CommandLine, Place, Recipe } from './recipe.ts'
import { collectOutput, spawnProgram } from './run-program.ts'

export interface OnDemandOptions {
  readonly recipe: Recipe
  readonly port: number
  /** The server runs, or ran and is gone although nobody stopped it. */
  readonly onChange: (running: boolean) => void
}

const graceMs = 5_000

/** A server on loopback whose data is made at the first start and removed by `stop`. */
export class OnDemandServer {
  readonly #options: OnDemandOptions
  #account: ServerAccount | undefined
  #directory: string | undefined
  #prepared: Promise<CommandLine> | undefined
  #filled = false
  #child: ChildProcess | undefined
  #starting: Promise<void> | undefined
  #stopped = false

  constructor(options: OnDemandOptions) {
    this.#options = options
  }

  get running(): boolean {
    return this.#child !== undefined && this.#starting === undefined
  }

  /** undefined: there is no process. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Where its data lies; undefined before the first start and after `stop`. */
  get directory(): string | undefined {
    return this.#directory
  }

  /** Settles when connections are accepted. Any number of callers share one start. */
  start(): Promise<void> {
    if (this.running) return Promise.resolve()
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined
      if (this.#child !== undefined) this.#options.onChange(true)
    })
    return this.#starting
  }

  /** Ends the server and removes its data. It cannot be started again. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#starting?.catch(() => undefined)
    await this.#end()
    if (this.#directory !== undefined) removeDirectory(this.#directory)
    this.#directory = undefined
  }

  /** For the end of this process without `stop`: tells the server to end at once. False: there is none. */
  abandon(): boolean {
    return this.#child?.kill(this.#options.recipe.abandonSignal) === true
  }

  /** Behind `abandon`, when the server has had the time to end. */
  clear(): void {
    if (this.#directory !== undefined) removeDirectory(this.#directory)
  }

  async #start(): Promise<void> {
    this.#prepared ??= this.#prepare()
    const line = await this.#prepared.catch((error: unknown) => {
      this.#prepared = undefined
      throw error
    })
    if (this.#stopped) throw new Error('the gateway is shutting down')
    await this.#launch(line)
  }

  #prepare(): Promise<CommandLine> {
    const { recipe } = this.#options
    this.#account ??= serverAccount(recipe.title)
    if (this.#directory !== undefined) removeDirectory(this.#directory)
    this.#directory = makeDirectory(recipe.slug, this.#account)
    return recipe.prepare(this.#place)
  }

  async #launch(line: CommandLine): Promise<void> {
    const { recipe } = this.#options
    const child = spawnProgram(this.#place, line, recipe.endSignal)
    this.#child = child
    child.once('close', () => this.#gone())
    await ready(child, recipe)
    await this.#fill()
  }

  /** A server without its data is of no use: it is ended, and the next start makes another. */
  async #fill(): Promise<void> {
    if (this.#filled) return
    try {
      await this.#options.recipe.fill?.(this.#place)
      this.#filled = true
    } catch (error) {
      this.#prepared = undefined
      await this.#end()
      throw error
    }
  }

  #gone(): void {
    const ran = this.running
    this.#child = undefined
    if (ran && !this.#stopped) this.#options.onChange(false)
  }

  /** In order, then the hard way. */
  async #end(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    const closed = new Promise((resolve) => child.once('close', resolve))
    child.kill(this.#options.recipe.endSignal)
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
    await closed
    clearTimeout(timer)
  }

  get #place(): Place {
    return { account: this.#account!, directory: this.#directory!, port: this.#options.port }
  }
}

function ready(child: ChildProcess, recipe: Recipe): Promise<void> {
  const output = collectOutput(child)
  return new Promise((resolve, reject) => {
    const look = (): void => void (output().includes(recipe.ready) && resolve())
    child.stdout?.on('data', look)
    child.stderr?.on('data', look)
    child.once('error', reject)
    child.once('close', () => reject(new Error(`${recipe.title} ended: ${output()}`)))
  })
}
