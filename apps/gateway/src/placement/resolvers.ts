import type { ResolveFunction, Resolver } from '@proxy/kernel'
import type { LoadedConfig } from '../config/load.ts'

/** Where the resolver of a configuration comes from. */
export interface Resolvers {
  /** Who gets it closes it. Throws `ConfigError`. */
  open(loaded: LoadedConfig): Promise<Resolver | ResolveFunction>
  /** In place of closing it, for one that was never used: it may be in use elsewhere. */
  discard(resolver: Resolver | ResolveFunction): Promise<void>
}
