import { isDeepStrictEqual } from 'node:util'
import { type ResolveFunction, type Resolver, toResolver } from '@proxy/kernel'
import type { LoadedConfig } from '../config/load.ts'
import { isDeclared, resolverOf } from '../config/resolver-of.ts'
import { Opens } from './opens.ts'
import type { Resolvers } from './resolvers.ts'

interface Declared {
  readonly declaration: unknown
  readonly resolver: Resolver
}

/**
 * In the process that the resolver lives in. One that is declared outlives a reload that does not change its declaration, with
 * everything that it has started.
 */
export class OwnResolvers implements Resolvers {
  readonly #declared = new Set<Declared>()
  readonly #opens = new Opens()

  async open(loaded: LoadedConfig): Promise<Resolver | ResolveFunction> {
    if (!isDeclared(loaded.config.resolver)) return this.#opens.add(await resolverOf(loaded))
    const declaration = declarationOf(loaded)
    const known = [...this.#declared].find((one) => isDeepStrictEqual(one.declaration, declaration))
    return this.#opens.add(known?.resolver ?? (await this.#make(loaded)))
  }

  discard(resolver: Resolver | ResolveFunction): Promise<void> {
    return this.#opens.discard(resolver)
  }

  async #make(loaded: LoadedConfig): Promise<Resolver> {
    const inner = toResolver(await resolverOf(loaded))
    const resolver = closing(inner, () => this.#declared.delete(declared))
    const declared = { declaration: declarationOf(loaded), resolver }
    this.#declared.add(declared)
    return resolver
  }
}

/** All that it is made of. */
const declarationOf = ({ config: { resolver, cluster } }: LoadedConfig): unknown => ({ resolver, cluster })

/** The same resolver, which says when it closes. */
function closing(resolver: Resolver, closed: () => void): Resolver {
  const { name, placement } = resolver
  return {
    name,
    placement,
    close: async () => {
      closed()
      await resolver.close?.()
    },
    resolve: (request, signal) => resolver.resolve(request, signal),
    ...(resolver.wake && { wake: resolver.wake.bind(resolver) }),
    ...(resolver.sleep && { sleep: resolver.sleep.bind(resolver) }),
    ...(resolver.watch && { watch: resolver.watch.bind(resolver) }),
    ...(resolver.track && { track: resolver.track.bind(resolver) }),
    ...(resolver.purge && { purge: resolver.purge.bind(resolver) }),
    ...(resolver.stats && { stats: resolver.stats.bind(resolver) }),
    ...(resolver.onConnect && { onConnect: resolver.onConnect.bind(resolver) }),
    ...(resolver.onDisconnect && { onDisconnect: resolver.onDisconnect.bind(resolver) }),
  }
}
