import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runOrThrow } from './processes.ts'

/**
 * The program that is built from `go/<name>`, for accounts of other users too. The first build downloads its modules
 * and takes a minute or two; what it made is kept in the user's cache directory until a source file changes.
 */
export async function goProgram(name: string): Promise<string> {
  const sources = fileURLToPath(new URL(`../go/${name}`, import.meta.url))
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'proxy-test-servers')
  const program = join(cache, `${name}-${fingerprint(sources)}`)
  if (existsSync(program)) return program
  mkdirSync(cache, { recursive: true })
  const unfinished = `${program}.${process.pid}`
  const args = ['build', '-trimpath', '-ldflags=-s -w', '-o', unfinished, '.']
  await runOrThrow('go', args, { cwd: sources, env: { CGO_ENABLED: '0' } })
  renameSync(unfinished, program)
  return program
}

function fingerprint(sources: string): string {
  const hash = createHash('sha256')
  for (const name of readdirSync(sources).sort()) hash.update(name).update(readFileSync(join(sources, name)))
  return hash.digest('hex').slice(0, 16)
}
