import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** In the user's cache directory: what was built for tests. */
export const buildCache: string = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'proxy-test-servers')

export function goSources(name: string): string {
  return fileURLToPath(new URL(`../go/${name}`, import.meta.url))
}

/** Where the program that is made from `go/<name>` is kept until a source file changes. */
export function goProgram(name: string): string {
  return join(buildCache, `${name}-${fingerprint(goSources(name))}`)
}

function fingerprint(sources: string): string {
  const hash = createHash('sha256')
  for (const name of readdirSync(sources).sort()) hash.update(name).update(readFileSync(join(sources, name)))
  return hash.digest('hex').slice(0, 16)
}
