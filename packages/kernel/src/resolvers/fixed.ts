import { normalise } from '../backend.ts'
import type { Resolution, Resolver } from '../contracts.ts'

/** One backend for every key. Throws `PROXY_CONFIG_INVALID`. */
export function fixedResolver(resolution: Resolution): Resolver {
  const fixed = normalise(resolution)
  return { name: 'fixed', resolve: () => fixed }
}
