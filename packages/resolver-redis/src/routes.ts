import { type ResolutionRecord } from '@proxy/kernel'
import { Bus } from './bus.ts'
import { longestKey } from './records.ts'
import { invalid, type RedisOptions, redisSettings } from './settings.ts'
import { Store } from './store.ts'

const nothing = (): void => undefined

/** Writes the routes that `redisResolver()` reads, and tells every gateway at once. Rejects when Redis is away. */
export class RedisRoutes {
  readonly #bus: Bus
  readonly #store: Store

  constructor(options: RedisOptions = {}) {
    this.#bus = new Bus({ ...redisSettings(options), onState: nothing, onGap: nothing })
    this.#store = new Store(this.#bus)
  }

  /** Rejects with `ResolveError` INTERNAL for a record that makes no sense. */
  async put(key: string, record: ResolutionRecord | string): Promise<void> {
    if (key === '' || key.length > longestKey) throw invalid(`a key has 1 to ${longestKey} characters`)
    await this.#store.put(key, typeof record === 'string' ? { endpoint: record } : record)
  }

  async get(key: string): Promise<ResolutionRecord | undefined> {
    return (await this.#store.read(this.#store.routeKey(key)))?.record
  }

  /** Whether there was one. */
  remove(key: string): Promise<boolean> {
    return this.#store.remove(key)
  }

  close(): void {
    this.#bus.close()
  }
}
