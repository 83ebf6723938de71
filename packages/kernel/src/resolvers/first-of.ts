import { invalid } from '../address.ts'
import { backend, woken } from '../backend.ts'
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
 * `wake`, `sleep`, `track`, `onConnect` and `onDisconnect` go to the resolver that answered for the backend or key; `purge`,
 * `watch`, `stats` and `close` to all. A method that no resolver has is absent here too. All live where one of them must: in the
 * primary process.
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
    ...(some('sleep') && { sleep: (backend) => first.sleep(backend) }),
    ...((some('wake') || some('placement')) && { placement: placementOf(all) }),
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
  /** By backend id: what waking or a journey between processes makes of a backend has no other identity. */
  readonly #backends = new Owners<Resolver>()
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
    const resolver = this.#backends.get(sleeping.id)
    if (resolver?.wake === undefined) {
      throw new ResolveError(sleeping.state === 'asleep' ? 'UNAVAILABLE' : 'NOT_FOUND')
    }
    const answer = await resolver.wake(sleeping, signal)
    this.#backends.set(woken(sleeping, answer).id, resolver)
    return answer
  }

  sleep(backend: Backend): void | Promise<void> {
    return this.#backends.get(backend.id)?.sleep?.(backend)
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
    this.#backends.set(made.id, resolver)
    this.#owners.set(key, resolver)
    return made
  }
}

function placementOf(resolvers: readonly Resolver[]): 'primary' | 'worker' {
  const own = resolvers.map(({ placement, wake }) => placement ?? (wake === undefined ? 'worker' : 'primary'))
  return own.includes('primary') ? 'primary' : 'worker'
}

/** The error to remember of two; throws the new one when no other resolver may be asked after it. */
function worse(before: GatewayError | undefined, cause: unknown, signal: AbortSignal): GatewayError {
  const error = GatewayError.from(cause, 'PROXY_RESOLVE_INTERNAL')
  if (signal.aborted || error.code === 'PROXY_RESOLVE_FORBIDDEN') throw error
  return before === undefined || before.code === 'PROXY_RESOLVE_NOT_FOUND' ? error : before
}
