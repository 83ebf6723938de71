import { chmodSync, cpSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { serverAccount } from './account.ts'
import type { Leaf } from './certificates.ts'
import { removeDirectory, temporaryDirectory } from './directories.ts'
import { postgresBinaries } from './postgres-binaries.ts'
import { runOrThrow } from './processes.ts'
import { chownAll, keep, keptAs } from './templates.ts'

export interface PostgresUser {
  readonly name: string
  readonly password: string
  /** Further words of CREATE ROLE: `SUPERUSER`, `REPLICATION`, `CONNECTION LIMIT 3`. */
  readonly attributes?: string | undefined
}

export interface PostgresTls extends Leaf {
  /** PEM of the authorities of client certificates; for `cert` and `clientcert=verify-ca` in `hba`. */
  readonly clientCa?: string | undefined
}

let template: Promise<string> | undefined

/** A data directory of its own, ready to be started. */
export async function postgresData(
  databases: readonly string[],
  users: readonly PostgresUser[],
  hba: readonly string[],
  tls: PostgresTls | undefined,
): Promise<string> {
  template ??= findTemplate()
  const directory = temporaryDirectory('postgres', serverAccount())
  const data = join(directory, 'data')
  cpSync(await template, data, { recursive: true })
  // Copying forgets it, and the server refuses a directory that others may read.
  chmodSync(data, 0o700)
  writeFileSync(join(data, 'pg_hba.conf'), `${hba.join('\n')}\n`)
  if (tls !== undefined) writeTls(data, tls)
  chownAll(data)
  await execute(data, [...users.map(createRole), ...databases.map((name) => createDatabase(name, users[0]))])
  return directory
}

/** `initdb` runs once for a version of PostgreSQL: a copy of what it made takes a tenth of its time. */
async function findTemplate(): Promise<string> {
  const { initdb, version } = await postgresBinaries()
  const kept = keptAs(`postgres-${version}`)
  if (existsSync(kept)) return kept
  const directory = temporaryDirectory('postgres-template', serverAccount())
  await initialise(initdb, join(directory, 'data'))
  keep(join(directory, 'data'), kept)
  removeDirectory(directory)
  return kept
}

async function initialise(initdb: string, data: string): Promise<void> {
  const args = ['-D', data, '-U', 'postgres', '-A', 'trust', '--locale=C', '--encoding=UTF8', '--no-sync']
  await runOrThrow(initdb, [...args, '--no-instructions'], { ...serverAccount(), cwd: '/' })
  await execute(data, [`ALTER ROLE postgres PASSWORD 'postgres'`])
}

/** Runs statements in single-user mode: neither a client nor a running server is needed. */
async function execute(data: string, statements: readonly string[]): Promise<void> {
  const { postgres } = await postgresBinaries()
  const input = statements.map((statement) => `${statement};\n\n`).join('')
  const { stderr } = await runOrThrow(postgres, ['--single', '-F', '-j', '-D', data, 'template1'], {
    ...serverAccount(),
    cwd: '/',
    input,
  })
  // It goes on after a failed statement and exits with 0.
  if (/ (ERROR|FATAL|PANIC): /.test(stderr)) throw new Error(`preparing PostgreSQL failed\n${stderr}`)
}

function createRole(user: PostgresUser): string {
  return `CREATE ROLE ${quoted(user.name)} LOGIN ${user.attributes ?? ''} PASSWORD '${user.password.replaceAll("'", "''")}'`
}

function createDatabase(name: string, owner: PostgresUser | undefined): string {
  return `CREATE DATABASE ${quoted(name)}${owner === undefined ? '' : ` OWNER ${quoted(owner.name)}`}`
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

function writeTls(data: string, tls: PostgresTls): void {
  writeFileSync(join(data, 'server.crt'), tls.cert)
  // The server refuses a key that others may read.
  writeFileSync(join(data, 'server.key'), tls.key, { mode: 0o600 })
  if (tls.clientCa !== undefined) writeFileSync(join(data, 'root.crt'), tls.clientCa)
}
