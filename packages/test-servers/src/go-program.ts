import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { hasEnded } from './ending.ts'
import { runOrThrow } from './processes.ts'

/**
 * The program that is built from `go/<name>`. The first build downloads its modules and takes a minute or two; what it
 * made is kept in the user's cache directory until a source file changes.
 */
export async function goProgram(name: string): Promise<string> {
  const sources = fileURLToPath(new URL(`../go/${name}`, import.meta.url))
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'proxy-test-servers')
  const program = join(cache, `${name}-${fingerprint(sources)}`)
  mkdirSync(cache, { recursive: true })
  while (!existsSync(program)) {
    if (takeTurn(`${program}.lock`)) await build(sources, program)
    else await delay(200)
  }
  return program
}

/** Two builds at a time would do the same work twice. */
function takeTurn(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch {
    if (hasEnded(builderOf(lock))) rmSync(lock, { force: true })
    return false
  }
}

/** This process, where another has just begun or ended and the file says nothing. */
function builderOf(lock: string): number {
  try {
    return Number(readFileSync(lock, 'utf8')) || process.pid
  } catch {
    return process.pid
  }
}

async function build(sources: string, program: string): Promise<void> {
  try {
    const args = ['build', '-buildvcs=false', '-trimpath', '-ldflags=-s -w', '-o', `${program}.unfinished`, '.']
    await runOrThrow('go', args, { cwd: sources, env: { CGO_ENABLED: '0' } })
    renameSync(`${program}.unfinished`, program)
  } finally {
    rmSync(`${program}.lock`, { force: true })
  }
}

function fingerprint(sources: string): string {
  const hash = createHash('sha256')
  for (const name of readdirSync(sources).sort()) hash.update(name).update(readFileSync(join(sources, name)))
  return hash.digest('hex').slice(0, 16)
}
