import type { ResolveFunction, Resolver } from '@proxy/kernel'

/** How often a resolver was handed out: one that was so once, and is not used, is nobody's. */
export class Opens {
  readonly #counts = new WeakMap<Resolver, number>()

  add<T extends Resolver | ResolveFunction>(resolver: T): T {
    if (typeof resolver === 'object') this.#counts.set(resolver, (this.#counts.get(resolver) ?? 0) + 1)
    return resolver
  }

  /** Closes it when nobody else has it. */
  async discard(resolver: Resolver | ResolveFunction): Promise<void> {
    if (typeof resolver === 'function') return
    const left = (this.#counts.get(resolver) ?? 1) - 1
    this.#counts.set(resolver, left)
    if (left === 0) await resolver.close?.()
  }
}
