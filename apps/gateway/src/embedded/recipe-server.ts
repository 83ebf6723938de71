import { LocalProcess, type LocalServer } from '@proxy/resolver-process'
import { serverUser } from './account.ts'
import { makeDirectory, removeDirectory } from './directories.ts'
import { type CommandLine, commandIn, type Place, type Recipe } from './recipe.ts'

const graceMs = 5_000

/** A server on loopback whose data is made at the first start, stays while it sleeps, and goes with `dispose`. */
export class RecipeServer implements LocalServer {
  readonly #recipe: Recipe
  readonly #port: number
  readonly #gone: (reason: string) => void
  #place: Place | undefined
  #line: CommandLine | undefined
  #filled = false
  #process: LocalProcess | undefined

  /** `gone` is called when it ended although nobody stopped it. */
  constructor(recipe: Recipe, port: number, gone: (reason: string) => void) {
    this.#recipe = recipe
    this.#port = port
    this.#gone = gone
  }

  /** undefined: there is no process. */
  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Where its data lies; undefined before the first start and after `dispose`. */
  get directory(): string | undefined {
    return this.#place?.directory
  }

  async start(signal: AbortSignal): Promise<string> {
    const place = this.#place ?? this.#newPlace()
    this.#line ??= await this.#prepare(place)
    signal.throwIfAborted()
    this.#process = this.#newProcess(place, this.#line)
    const endpoint = await this.#process.start(signal)
    await this.#fill(place)
    return endpoint
  }

  async stop(): Promise<void> {
    await this.#process?.stop()
    this.#process = undefined
  }

  /** Of its data nothing is kept: it need not end in order. */
  kill(): void {
    this.#process?.signal(this.#recipe.abandonSignal)
  }

  dispose(): Promise<void> {
    this.clear()
    return Promise.resolve()
  }

  /** Removes its data, when the server has had the time to end. */
  clear(): void {
    if (this.#place !== undefined) removeDirectory(this.#place.directory)
    this.#place = undefined
    this.#line = undefined
    this.#filled = false
  }

  #newPlace(): Place {
    const user = serverUser()
    this.#place = { user, directory: makeDirectory(this.#recipe.slug, user), port: this.#port }
    return this.#place
  }

  /** What was made by halves is made anew the next time. */
  async #prepare(place: Place): Promise<CommandLine> {
    try {
      return await this.#recipe.prepare(place)
    } catch (error) {
      this.clear()
      throw error
    }
  }

  #newProcess(place: Place, line: CommandLine): LocalProcess {
    const { ready, endSignal } = this.#recipe
    const spec = {
      ...commandIn(place, line),
      endpoint: `127.0.0.1:${place.port}`,
      ready: { output: ready },
      stopSignal: endSignal,
      stopTimeoutMs: graceMs,
    }
    return new LocalProcess(spec, { gone: this.#gone })
  }

  /** A server without its data is of no use: it is ended, and the next start makes another. */
  async #fill(place: Place): Promise<void> {
    if (this.#filled) return
    try {
      await this.#recipe.fill?.(place)
      this.#filled = true
    } catch (error) {
      await this.stop()
      this.clear()
      throw error
    }
  }
}
