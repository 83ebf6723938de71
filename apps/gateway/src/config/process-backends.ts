import { resolve } from 'node:path'
import type { BackendSpec, ProcessResolverOptions } from '@proxy/resolver-process'

type Backends = ProcessResolverOptions['backends']

/** Processes run in the directory of the configuration, against which their own is taken. */
export function backendsIn(directory: string, backends: Backends): Backends {
  const placed = (spec: BackendSpec): BackendSpec =>
    'server' in spec ? spec : { ...spec, cwd: resolve(directory, spec.cwd ?? '.') }
  if (typeof backends !== 'function') {
    return Object.fromEntries(Object.entries(backends).map(([name, spec]) => [name, placed(spec)]))
  }
  return (name) => {
    const spec = backends(name)
    return spec === undefined ? undefined : placed(spec)
  }
}
