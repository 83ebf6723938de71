import { GatewayError } from '@proxy/kernel'
import type { Engine } from './engine.ts'
import type { Entry } from './roster.ts'
import type { ContainerDetails } from './wire.ts'

const ATTEMPTS = 3

/** Asks the engine for a container unless what is known is still fresh; once however many ask at a time. */
export class Inspector {
  readonly #engine: Engine
  readonly #closing = new AbortController()
  readonly #asking = new Map<string, Promise<ContainerDetails>>()
  #servedStale = 0

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** Answers that were the last known ones, because the engine gave none. */
  get servedStale(): number {
    return this.#servedStale
  }

  /** Synchronous when nothing has to be asked. Rejects with a `ResolveError`. */
  details(entry: Entry): ContainerDetails | Promise<ContainerDetails> {
    if (entry.fresh && entry.details !== undefined) return entry.details
    const asking = this.#asking.get(entry.id) ?? this.#ask(entry).finally(() => this.#asking.delete(entry.id))
    this.#asking.set(entry.id, asking)
    return asking
  }

  close(): void {
    this.#closing.abort()
  }

  async #ask(entry: Entry): Promise<ContainerDetails> {
    try {
      return await this.#latest(entry)
    } catch (error) {
      if (entry.details === undefined || !GatewayError.is(error) || error.code !== 'PROXY_RESOLVE_UNAVAILABLE')
        throw error
      this.#servedStale++
      return entry.details
    }
  }

  /** An answer that an event has overtaken is asked for again; of a container that never rests, the latest one is taken. */
  async #latest(entry: Entry): Promise<ContainerDetails> {
    for (let attempt = 1; ; attempt++) {
      const { generation } = entry
      const details = await this.#engine.inspect(entry.id, this.#closing.signal)
      entry.details = details
      entry.fresh = entry.generation === generation
      if (entry.fresh || attempt === ATTEMPTS) return details
    }
  }
}
