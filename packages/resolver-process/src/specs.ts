import { checkedSpec } from './check.ts'
import type { BackendSpec, ProcessResolverOptions } from './options.ts'

type SpecOf = (name: string) => BackendSpec | undefined

/** How to find a backend by its name. Throws `PROXY_CONFIG_INVALID` for one that makes no sense and is known now. */
export function specsOf(backends: ProcessResolverOptions['backends']): SpecOf {
  if (typeof backends === 'function') return backends
  const specs = new Map(Object.entries(backends).map(([name, spec]) => [name, checkedSpec(name, spec)]))
  return (name) => specs.get(name)
}
