import { GatewayError } from '@proxy/kernel'
import type { Entry } from './entry.ts'

/** The answers by URL, a bounded number of them: beyond it, what was asked for longest ago is forgotten. */
export class Entries {
  readonly #most: number
  readonly #entries = new Map<string, Entry>()

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#entries.size
  }

  get(url: string): Entry | undefined {
    return this.#entries.get(url)
  }

  set(url: string, entry: Entry): void {
    this.#entries.delete(url)
    this.#entries.set(url, entry)
    if (this.#entries.size <= this.#most) return
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest)
      return
    }
  }

  delete(url: string): void {
    this.#entries.delete(url)
  }

  forgetKey(key: string): void {
    for (const [url, entry] of this.#entries) if (entry.key === key) this.#entries.delete(url)
  }

  forgetBackend(id: string): void {
    for (const [url, { outcome }] of this.#entries) {
      if (!GatewayError.is(outcome) && outcome.id === id) this.#entries.delete(url)
    }
  }
}
