import { invalid } from '../address.ts'
import { normalise } from '../backend.ts'
import type { Backend, Resolution, Resolver, RouteRequest } from '../contracts.ts'
import { ResolveError } from '../errors.ts'

/**
 * Backends by key. A key is matched as it is; `*.example.com` matches every name below `example.com` (the longest
 * suffix wins) but not that name itself; `*` matches what nothing else does. Unknown keys are NOT_FOUND.
 *
 * Throws `PROXY_CONFIG_INVALID` when a resolution or a pattern makes no sense.
 */
export function staticResolver(
  backends: Readonly<Record<string, Resolution>> | ReadonlyMap<string, Resolution>,
): Resolver {
  return new StaticResolver(backends instanceof Map ? backends.entries() : Object.entries(backends))
}

class StaticResolver implements Resolver {
  readonly name = 'static'
  readonly #exact = new Map<string, Backend>()
  readonly #suffixes = new Map<string, Backend>()
  #rest: Backend | undefined

  constructor(entries: Iterable<[string, Resolution]>) {
    for (const [key, resolution] of entries) this.#add(key, normalise(resolution))
  }

  resolve(request: RouteRequest): Backend {
    const found = this.#exact.get(request.key) ?? this.#bySuffix(request.key) ?? this.#rest
    if (found === undefined) throw new ResolveError('NOT_FOUND')
    return found
  }

  stats(): Record<string, unknown> {
    return { entries: this.#exact.size + this.#suffixes.size + (this.#rest === undefined ? 0 : 1) }
  }

  #add(key: string, made: Backend): void {
    if (key === '*') this.#rest = made
    else if (key.startsWith('*.') && key.length > 2 && !key.includes('*', 1)) this.#suffixes.set(key.slice(1), made)
    else if (key === '' || key.includes('*')) throw invalid(key, 'is no key; a wildcard is * or *.suffix')
    else this.#exact.set(key, made)
  }

  #bySuffix(key: string): Backend | undefined {
    if (this.#suffixes.size === 0) return undefined
    for (let dot = key.indexOf('.', 1); dot > 0; dot = key.indexOf('.', dot + 1)) {
      const found = this.#suffixes.get(key.slice(dot))
      if (found !== undefined) return found
    }
    return undefined
  }
}
