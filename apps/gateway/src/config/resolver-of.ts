import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fixedResolver, type ResolveFunction, type Resolver, staticResolver } from '@proxy/kernel'
import { messageOf } from '../fleet/failure.ts'
import { declaredResolver } from './declared-resolvers.ts'
import type { LoadedConfig } from './load.ts'
import { lockedWakes } from './locked-wakes.ts'
import { ConfigError } from './problems.ts'
import { importDefault } from './read-file.ts'
import type { ResolverConfig } from './types.ts'

/** The resolver itself, whatever way it was written. Throws {@link ConfigError}. */
export async function resolverOf(loaded: LoadedConfig): Promise<Resolver | ResolveFunction> {
  try {
    return await lockedWakes(await make(loaded.config.resolver, loaded), loaded.config.cluster)
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw problem(loaded, messageOf(error), undefined, error)
  }
}

function make(
  config: ResolverConfig,
  loaded: LoadedConfig,
): Resolver | ResolveFunction | Promise<Resolver | ResolveFunction> {
  if (typeof config === 'string') return fromModule(config, loaded)
  if (isResolver(config)) return config
  if ('static' in config) return staticResolver(config.static)
  if ('fixed' in config) return fixedResolver(config.fixed)
  const declared = declaredResolver(config, loaded)
  if (declared === undefined) throw problem(loaded, 'is no resolver.')
  return declared
}

async function fromModule(file: string, loaded: LoadedConfig): Promise<Resolver | ResolveFunction> {
  const path = resolve(loaded.directory, file)
  if (!existsSync(path)) throw problem(loaded, `there is no file ${file}.`, `It is taken from ${loaded.directory}.`)
  const value = await importDefault(path, loaded.generation)
  if (isResolver(value)) return value
  throw problem(
    loaded,
    `the default export of ${file} is no resolver.`,
    'Export a function, or an object with resolve().',
  )
}

/** Made here, of plain values, and worth keeping: it has connections, or has started something. */
export const isDeclared = (config: ResolverConfig): boolean =>
  typeof config === 'object' && !isResolver(config) && !('static' in config) && !('fixed' in config)

const isResolver = (value: unknown): value is Resolver | ResolveFunction =>
  typeof value === 'function' ||
  (typeof value === 'object' && value !== null && 'resolve' in value && typeof value.resolve === 'function')

const problem = (loaded: LoadedConfig, message: string, suggestion?: string, cause?: unknown): ConfigError =>
  new ConfigError(loaded.source, [{ path: 'resolver', message, suggestion }], cause)
