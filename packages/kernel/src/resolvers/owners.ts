const REMEMBERED = 65_536

interface Held<T> {
  readonly owner: T
  sessions: number
}

/**
 * Who answered for a key. The latest answers are kept, a bounded number of them; an owner that holds sessions is kept until
 * the last of them has gone, so that every connect finds its disconnect.
 */
export class Owners<T> {
  readonly #latest = new Map<string, T>()
  readonly #held = new Map<string, Held<T>>()

  set(key: string, owner: T): void {
    this.#latest.delete(key)
    this.#latest.set(key, owner)
    if (this.#latest.size <= REMEMBERED) return
    for (const oldest of this.#latest.keys()) {
      this.#latest.delete(oldest)
      return
    }
  }

  get(key: string): T | undefined {
    return this.#held.get(key)?.owner ?? this.#latest.get(key)
  }

  hold(key: string): T | undefined {
    const held = this.#held.get(key)
    if (held !== undefined) {
      held.sessions++
      return held.owner
    }
    const owner = this.#latest.get(key)
    if (owner !== undefined) this.#held.set(key, { owner, sessions: 1 })
    return owner
  }

  release(key: string): T | undefined {
    const held = this.#held.get(key)
    if (held === undefined) return undefined
    if (--held.sessions === 0) this.#held.delete(key)
    return held.owner
  }
}
