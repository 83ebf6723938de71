import type { Metadata, Resolver } from './contracts.ts'
import type { Hooks } from './hooks.ts'

/** Whom a residency tells. */
export interface ResidencyParts {
  readonly resolver: Resolver
  readonly hooks: Hooks
}

/** Whether a resolver is told at all: most are not. */
export function wantsToKnow({ track, onConnect, onDisconnect }: Resolver): boolean {
  return track !== undefined || onConnect !== undefined || onDisconnect !== undefined
}

/**
 * Which resources a session is connected to, for the resolver's `onConnect`, `onDisconnect` and `track`: one pair of calls
 * a session and resource, however often it is routed there. A resolver that fails to take note harms no session.
 */
export class Residency {
  readonly #parts: ResidencyParts
  #keys: Map<string, Metadata> | undefined = undefined

  constructor(parts: ResidencyParts) {
    this.#parts = parts
  }

  enter(key: string, metadata: Metadata): void {
    this.#tell('track', key, metadata)
    const { onConnect, onDisconnect } = this.#parts.resolver
    if (onConnect === undefined && onDisconnect === undefined) return
    this.#keys ??= new Map()
    if (this.#keys.has(key)) return
    this.#keys.set(key, metadata)
    this.#tell('onConnect', key, metadata)
  }

  leave(): void {
    for (const [key, metadata] of this.#keys ?? []) this.#tell('onDisconnect', key, metadata)
    this.#keys = undefined
  }

  #tell(what: 'track' | 'onConnect' | 'onDisconnect', key: string, metadata: Metadata): void {
    try {
      this.#parts.resolver[what]?.(key, metadata)
    } catch (error) {
      this.#parts.hooks.emit('gateway:error', { source: 'resolver', error })
    }
  }
}
