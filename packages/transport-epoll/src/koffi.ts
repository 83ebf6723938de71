import { createRequire } from 'node:module'
import type * as Module from 'koffi'

type Koffi = typeof Module

let loaded: Koffi | undefined = undefined

/** Loaded when it is first needed: where native code cannot be loaded, that must not be the end of the process. Throws there. */
export function koffi(): Koffi {
  return (loaded ??= createRequire(import.meta.url)('koffi') as Koffi)
}
