import type { Backend, Metadata } from '@proxy/kernel'

const mostRemembered = 10_000

/** Which backends the sessions of this process use. */
export class Usage {
  /** Sessions tell a resource's metadata, not its backend. */
  readonly #ids = new WeakMap<Metadata, string>()
  readonly #connections = new Map<string, number>()
  readonly #since = new Set<string>()

  /** A backend that sessions will be routed to. */
  know({ id, metadata }: Backend): void {
    this.#ids.set(metadata, id)
  }

  connect(metadata: Metadata): void {
    const id = this.#ids.get(metadata)
    if (id === undefined) return
    this.#connections.set(id, (this.#connections.get(id) ?? 0) + 1)
    this.#mark(id)
  }

  disconnect(metadata: Metadata): void {
    const id = this.#ids.get(metadata)
    if (id === undefined) return
    const left = (this.#connections.get(id) ?? 0) - 1
    if (left > 0) this.#connections.set(id, left)
    else this.#connections.delete(id)
  }

  /** Nobody has used it for long. */
  idle(id: string): void {
    this.#since.delete(id)
  }

  /** It has sessions, or has not been idle since it had some. */
  used(id: string): boolean {
    return this.#connections.has(id) || this.#since.has(id)
  }

  #mark(id: string): void {
    if (!this.#since.has(id) && this.#since.size >= mostRemembered) this.#forgetOldest()
    this.#since.add(id)
  }

  #forgetOldest(): void {
    for (const oldest of this.#since) {
      this.#since.delete(oldest)
      return
    }
  }
}
