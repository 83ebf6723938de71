import type { Backend, Metadata } from '@proxy/kernel'

const mostRemembered = 10_000

/** Which backends this process has routed sessions to since it last called them idle. */
export class Usage {
  /** Sessions tell a resource's metadata, not its backend. */
  readonly #ids = new WeakMap<Metadata, string>()
  readonly #used = new Set<string>()

  /** A backend that sessions will be routed to. */
  know({ id, metadata }: Backend): void {
    this.#ids.set(metadata, id)
  }

  route(metadata: Metadata): void {
    const id = this.#ids.get(metadata)
    if (id === undefined || this.#used.has(id)) return
    if (this.#used.size >= mostRemembered) this.#forgetOldest()
    this.#used.add(id)
  }

  /** Its `idle` layer says that nobody has used it for long. */
  idle(id: string): void {
    this.#used.delete(id)
  }

  has(id: string): boolean {
    return this.#used.has(id)
  }

  #forgetOldest(): void {
    for (const oldest of this.#used) {
      this.#used.delete(oldest)
      return
    }
  }
}
