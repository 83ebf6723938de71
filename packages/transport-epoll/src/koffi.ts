import { realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import type * as Module from 'koffi'

type Koffi = typeof Module

let loaded: Koffi | undefined = undefined

/** Loaded when it is first needed: where native code cannot be loaded, that must not be the end of the process. Throws there. */
export function koffi(): Koffi {
  return (loaded ??= load())
}

/**
 * koffi looks for its binary beside the place where it really is. Node 22 does not always follow the links to it that package
 * managers make.
 */
function load(): Koffi {
  const require = createRequire(import.meta.url)
  return require(realpathSync.native(require.resolve('koffi'))) as Koffi
}
