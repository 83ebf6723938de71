import { invalid } from '../address.ts'
import type { ResolveFunction, Resolver } from '../contracts.ts'

/** The resolver itself, or one made of a resolve function. Throws `PROXY_CONFIG_INVALID` for anything else. */
export function toResolver(resolver: Resolver | ResolveFunction): Resolver {
  if (typeof resolver === 'function') return { name: resolver.name || 'function', resolve: resolver }
  if (typeof resolver === 'object' && resolver !== null && typeof resolver.resolve === 'function') return resolver
  throw invalid(typeof resolver, 'is no resolver: a function, or an object with resolve(), is needed')
}
