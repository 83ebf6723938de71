import { ResolveError } from '@proxy/kernel'
import { type Condition, conditionOf } from './container-state.ts'
import type { Engine } from './engine.ts'
import type { Inspector } from './inspector.ts'
import type { Entry, Roster } from './roster.ts'
import { unlessAborted } from './unless-aborted.ts'
import type { ContainerDetails } from './wire.ts'

interface Awake {
  readonly entry: Entry
  readonly details: ContainerDetails
}

/** Starts one container and waits, by the engine's events, until it runs and is healthy. */
export class WakeUp {
  readonly #engine: Engine
  readonly #roster: Roster
  readonly #inspector: Inspector
  readonly #name: string
  readonly #signal: AbortSignal
  #acted: Condition | undefined

  constructor(engine: Engine, roster: Roster, inspector: Inspector, name: string, signal: AbortSignal) {
    this.#engine = engine
    this.#roster = roster
    this.#inspector = inspector
    this.#name = name
    this.#signal = signal
  }

  /** Rejects with a `ResolveError`, or with the signal's reason. */
  async done(): Promise<Awake> {
    for (;;) {
      const changed = this.#nextChange()
      try {
        const awake = await this.#look()
        if (awake !== undefined) return awake
        await unlessAborted(changed.promise, this.#signal)
      } finally {
        changed.dispose()
      }
    }
  }

  /** Does what has to be done next; undefined when there is nothing but to wait. */
  async #look(): Promise<Awake | undefined> {
    const entry = this.#roster.named(this.#name)
    if (entry === undefined) throw new ResolveError('NOT_FOUND')
    const details = await unlessAborted(Promise.resolve(this.#inspector.details(entry)), this.#signal)
    const condition = conditionOf(details.State)
    if (condition === 'ready') return { entry, details }
    if (condition === 'failing' || condition === 'gone')
      throw failed(`${entry.name} is ${details.State.Status}, ${condition}`)
    if (condition === 'stopped' || condition === 'paused') await this.#act(entry, details, condition)
    return undefined
  }

  async #act(entry: Entry, { State }: ContainerDetails, condition: 'stopped' | 'paused'): Promise<void> {
    // Stopped again after it was started: it ended by itself, and would do so once more.
    if (this.#acted === condition) throw failed(`${entry.name} ended: ${State.ExitCode ?? ''} ${State.Error ?? ''}`)
    this.#acted = condition
    await this.#engine.act(entry.id, condition === 'paused' ? 'unpause' : 'start', this.#signal)
    // Its event may be late: what was known before must not be taken for what came of it.
    this.#roster.stale(entry)
  }

  #nextChange(): { readonly promise: Promise<void>; readonly dispose: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>()
    const dispose = this.#roster.onChange((name) => {
      if (name === this.#name) resolve()
    })
    return { promise, dispose }
  }
}

const failed = (what: string): ResolveError => new ResolveError('UNAVAILABLE', { cause: new Error(what) })
