import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { buildCache, goProgram, goSources } from './build-cache.ts'
import { hasEnded } from './ending.ts'
import { runOrThrow } from './processes.ts'

/** Builds `go/<name>` unless that was done: the first build downloads its modules and takes a minute or two. */
export async function buildGoProgram(name: string): Promise<void> {
  const program = goProgram(name)
  mkdirSync(buildCache, { recursive: true })
  while (!existsSync(program)) {
    if (takeTurn(`${program}.lock`)) await build(goSources(name), program)
    else await delay(200)
  }
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
    // A module without sources of its own names, as its tool, the program of another one.
    const what = existsSync(join(sources, 'main.go')) ? '.' : 'tool'
    const args = ['build', '-buildvcs=false', '-trimpath', '-ldflags=-s -w', '-o', `${program}.unfinished`, what]
    await runOrThrow('go', args, { cwd: sources, env: { CGO_ENABLED: '0' } })
    renameSync(`${program}.unfinished`, program)
  } finally {
    rmSync(`${program}.lock`, { force: true })
  }
}
