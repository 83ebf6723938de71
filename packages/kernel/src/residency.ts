import type { Metadata, Resolver } from './contracts.ts'

/**
 * Which resources a session is connected to, for the resolver's `onConnect`, `onDisconnect` and `track`: one pair of calls
 * a session and resource, however often it is routed there.
 */
export class Residency {
  readonly #resolver: Resolver
  #keys: Map<string, Metadata> | undefined = undefined

  constructor(resolver: Resolver) {
    this.#resolver = resolver
  }

  enter(key: string, metadata: Metadata): void {
    this.#resolver.track?.(key, metadata)
    const { onConnect, onDisconnect } = this.#resolver
    if (onConnect === undefined && onDisconnect === undefined) return
    this.#keys ??= new Map()
    if (this.#keys.has(key)) return
    this.#keys.set(key, metadata)
    this.#resolver.onConnect?.(key, metadata)
  }

  leave(): void {
    for (const [key, metadata] of this.#keys ?? []) this.#resolver.onDisconnect?.(key, metadata)
    this.#keys = undefined
  }
}
