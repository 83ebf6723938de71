import { readFile } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseDocument } from 'yaml'
import { ConfigError } from './problems.ts'

/** The value in a config file. `generation` changes from one reload to the next, so that a module is read anew. */
export async function readConfigFile(path: string, generation: number): Promise<unknown> {
  switch (extname(path)) {
    case '.json':
      return parseJson(path, await readFile(path, 'utf8'))
    case '.yaml':
    case '.yml':
      return parseYaml(path, await readFile(path, 'utf8'))
    default:
      return importDefault(path, generation)
  }
}

/** The default export of a module. Modules that it imports in turn are not read anew. */
export async function importDefault(path: string, generation: number): Promise<unknown> {
  const url = pathToFileURL(path)
  if (generation > 0) url.searchParams.set('generation', String(generation))
  const module = await importModule(path, url.href)
  if (!('default' in module)) throw failure(path, 'has no default export.', 'Write "export default ...".')
  return module['default']
}

async function importModule(path: string, url: string): Promise<Record<string, unknown>> {
  try {
    return (await import(url)) as Record<string, unknown>
  } catch (error) {
    throw failure(path, `cannot be loaded: ${messageOf(error)}`, undefined, error)
  }
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw failure(path, `is not JSON: ${messageOf(error)}`, undefined, error)
  }
}

function parseYaml(path: string, text: string): unknown {
  const document = parseDocument(text)
  const problems = document.errors.map((error) => ({ path: '', message: `is not YAML: ${error.message}` }))
  if (problems.length > 0) throw new ConfigError(basename(path), problems)
  return document.toJS()
}

const failure = (path: string, message: string, suggestion?: string, cause?: unknown): ConfigError =>
  new ConfigError(basename(path), [{ path: '', message, suggestion }], cause)

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
