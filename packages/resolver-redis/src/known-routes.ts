import type { Backend } from '@proxy/kernel'

/** The latest answers by key, the longest unused given up first. */
export class KnownRoutes {
  readonly #routes = new Map<string, Backend>()
  readonly #max: number
  readonly #forgotten: (backendId: string) => void

  /** `forgotten` is told of what no change will be told of any more. */
  constructor(max: number, forgotten: (backendId: string) => void) {
    this.#max = max
    this.#forgotten = forgotten
  }

  get size(): number {
    return this.#routes.size
  }

  get(key: string): Backend | undefined {
    const known = this.#routes.get(key)
    if (known !== undefined) this.#put(key, known)
    return known
  }

  set(key: string, backend: Backend): void {
    const before = this.#routes.get(key)
    if (before !== undefined && before.id !== backend.id) this.#forgotten(before.id)
    this.#put(key, backend)
    if (this.#routes.size > this.#max) this.#forgetOldest()
  }

  /** Of the key, without making it one that was just used. */
  idOf(key: string): string | undefined {
    return this.#routes.get(key)?.id
  }

  delete(key: string): void {
    this.#routes.delete(key)
  }

  ids(): Set<string> {
    return new Set(Array.from(this.#routes.values(), ({ id }) => id))
  }

  #put(key: string, backend: Backend): void {
    this.#routes.delete(key)
    this.#routes.set(key, backend)
  }

  #forgetOldest(): void {
    for (const [key, { id }] of this.#routes) {
      this.#routes.delete(key)
      this.#forgotten(id)
      return
    }
  }
}
