import { isDeepStrictEqual } from 'node:util'
import type { ResolveFunction, Resolver } from '@proxy/kernel'
import type { LoadedConfig } from '../config/load.ts'
import { isDeclared, resolverOf } from '../config/resolver-of.ts'
import type { Resolvers } from './resolvers.ts'

interface Shared {
  readonly declaration: unknown
  readonly resolver: Resolver
  users: number
}

/**
 * In the process that the resolver lives in. One that is declared outlives a reload that does not change its declaration, with
 * everything that it has started.
 */
export class OwnResolvers implements Resolvers {
  readonly #shared = new Set<Shared>()

  async open(loaded: LoadedConfig): Promise<Resolver | ResolveFunction> {
    const declaration = loaded.config.resolver
    if (!isDeclared(declaration)) return resolverOf(loaded)
    const known = [...this.#shared].find((one) => isDeepStrictEqual(one.declaration, declaration))
    return this.#handle(known ?? (await this.#make(loaded)))
  }

  async #make(loaded: LoadedConfig): Promise<Shared> {
    const resolver = (await resolverOf(loaded)) as Resolver
    const shared = { declaration: loaded.config.resolver, resolver, users: 0 }
    this.#shared.add(shared)
    return shared
  }

  /** Each generation closes a handle of its own; the last one closes the resolver. */
  #handle(shared: Shared): Resolver {
    let open = true
    shared.users++
    const close = async (): Promise<void> => {
      if (!open) return
      open = false
      if (--shared.users > 0) return
      this.#shared.delete(shared)
      await shared.resolver.close?.()
    }
    return handle(shared.resolver, close)
  }
}

function handle(resolver: Resolver, close: () => Promise<void>): Resolver {
  const { name, placement } = resolver
  return {
    name,
    placement,
    close,
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
