import { invalid } from '../address.ts'
import { backend } from '../backend.ts'
import type { Backend, Disposer, Metadata, Resolution, ResolveFunction, Resolver, RouteRequest } from '../contracts.ts'
import { GatewayError, ResolveError } from '../errors.ts'
import { isPromise } from '../promise.ts'
import { toResolver } from './function.ts'
import { Owners } from './owners.ts'

/**
 * Failover: asks the resolvers in order until one answers. Not found, unavailable, timeout and internal errors go on to
 * the next; FORBIDDEN stops, and so does a client that has left. When none answers, the first error that is not
 * NOT_FOUND is thrown: a tenant is unknown only when every resolver could say so.
 *
 * `wake`, `track`, `onConnect` and `onDisconnect` go to the resolver that answered for the backend or key; `purge`,
 * `watch`, `stats` and `close` to all. A method that no resolver has is absent here too.
 */
export function firstOf(...resolvers: readonly (Resolver | ResolveFunction)[]): Resolver {
  if (resolvers.length === 0) throw invalid('firstOf()', 'needs at least one resolver')
  const all = resolvers.map(toResolver)
  const first = new FirstOf(all)
  const some = (method: keyof Resolver): boolean => all.some((one) => one[method] !== undefined)
  return {
    name: `firstOf(${all.map(({ name }) => name).join(', ')})`,
    resolve: (request, signal) => first.ask(0, request, signal, undefined),
    ...(some('wake') && { wake: (sleeping, signal) => first.wake(sleeping, signal) }),
    ...(some('watch') && { watch: (changed) => first.watch(changed) }),
    ...(some('track') && { track: (key, metadata) => first.track(key, metadata) }),
    ...(some('purge') && { purge: (key) => first.purge(key) }),
    ...(some('stats') && { stats: () => first.stats() }),
    ...(some('onConnect') && { onConnect: (key, metadata) => first.onConnect(key, metadata) }),
    ...(some('onDisconnect') && { onDisconnect: (key, metadata) => first.onDisconnect(key, metadata) }),
    ...(some('close') && { close: () => first.close() }),
  } satisfies Resolver
}

class FirstOf {
  readonly #resolvers: readonly Resolver[]
  readonly #wakers = new WeakMap<Backend, Resolver>()
  readonly #owners = new Owners<Resolver>()

  constructor(resolvers: readonly Resolver[]) {
    this.#resolvers = resolvers
  }

  ask(
    from: number,
    request: RouteRequest,
    signal: AbortSignal,
    before: GatewayError | undefined,
  ): Backend | Promise<Backend> {
    let failure = before
    for (let index = from; index < this.#resolvers.length; index++) {
      const resolver = this.#resolvers[index] as Resolver
      try {
        const answer = resolver.resolve(request, signal)
        if (!isPromise(answer)) return this.#answered(resolver, request.key, answer)
        return this.#wait(answer, index, request, signal, failure)
      } catch (error) {
        failure = worse(failure, error, signal)
      }
    }
    throw failure ?? new ResolveError('NOT_FOUND')
  }

  async wake(sleeping: Backend, signal: AbortSignal): Promise<Resolution> {
    const resolver = this.#wakers.get(sleeping)
    if (resolver?.wake === undefined) throw new ResolveError('UNAVAILABLE')
    return resolver.wake(sleeping, signal)
  }

  watch(changed: (backendId: string) => void): Disposer {
    const disposers = this.#resolvers.map((one) => one.watch?.(changed))
    return () => {
      for (const dispose of disposers) dispose?.()
    }
  }

  track(key: string, metadata: Metadata): void {
    this.#owners.get(key)?.track?.(key, metadata)
  }

  async purge(key: string): Promise<void> {
    await Promise.all(this.#resolvers.map(async (one) => one.purge?.(key)))
  }

  stats(): Record<string, unknown> {
    return Object.fromEntries(this.#resolvers.map((one, index) => [`${index} ${one.name}`, one.stats?.() ?? {}]))
  }

  onConnect(key: string, metadata: Metadata): void {
    this.#owners.hold(key)?.onConnect?.(key, metadata)
  }

  onDisconnect(key: string, metadata: Metadata): void {
    this.#owners.release(key)?.onDisconnect?.(key, metadata)
  }

  async close(): Promise<void> {
    await Promise.all(this.#resolvers.map(async (one) => one.close?.()))
  }

  async #wait(
    answer: Promise<Resolution>,
    index: number,
    request: RouteRequest,
    signal: AbortSignal,
    before: GatewayError | undefined,
  ): Promise<Backend> {
    let failure: GatewayError
    try {
      return this.#answered(this.#resolvers[index] as Resolver, request.key, await answer)
    } catch (error) {
      failure = worse(before, error, signal)
    }
    return this.ask(index + 1, request, signal, failure)
  }

  #answered(resolver: Resolver, key: string, answer: Resolution): Backend {
    const made = backend(answer)
    if (resolver.wake !== undefined) this.#wakers.set(made, resolver)
    this.#owners.set(key, resolver)
    return made
  }
}

/** The error to remember of two; throws the new one when no other resolver may be asked after it. */
function worse(before: GatewayError | undefined, cause: unknown, signal: AbortSignal): GatewayError {
  const error = GatewayError.from(cause, 'PROXY_RESOLVE_INTERNAL')
  if (signal.aborted || error.code === 'PROXY_RESOLVE_FORBIDDEN') throw error
  return before === undefined || before.code === 'PROXY_RESOLVE_NOT_FOUND' ? error : before
}
