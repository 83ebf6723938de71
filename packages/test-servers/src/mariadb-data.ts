import { chmodSync, cpSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { serverAccount } from './account.ts'
import type { Leaf } from './certificates.ts'
import { removeDirectory, temporaryDirectory } from './directories.ts'
import { runOrThrow } from './processes.ts'
import { chownAll, keep, keptAs } from './templates.ts'

export interface MysqlUser {
  readonly name: string
  readonly password: string
  /** Default `mysql_native_password`. */
  readonly plugin?: 'mysql_native_password' | 'ed25519' | undefined
  /** What the user may do. Default `ALL`. */
  readonly grants?: string | undefined
  /** Further words of CREATE USER: `REQUIRE SSL`, `WITH MAX_USER_CONNECTIONS 1`. */
  readonly attributes?: string | undefined
}

export interface MysqlTls extends Leaf {
  /** PEM of the authorities of client certificates, for accounts with `REQUIRE X509`. */
  readonly clientCa?: string | undefined
}

/** How the files are laid out: the same at the installation and at every start. Small, for they are copied for each server. */
export const layout: readonly string[] = [
  '--innodb-data-file-path=ibdata1:4M:autoextend',
  '--innodb-autoextend-increment=1',
  '--innodb-log-file-size=8M',
]

let template: Promise<string> | undefined

/** A directory with the data of a server that was never started, with `init.sql` for its first start and its TLS files. */
export async function mariadbData(
  databases: readonly string[],
  users: readonly MysqlUser[],
  tls: MysqlTls | undefined,
): Promise<string> {
  template ??= findTemplate()
  const kept = await template
  const directory = temporaryDirectory('mariadb', serverAccount())
  const data = join(directory, 'data')
  cpSync(kept, data, { recursive: true })
  chmodSync(data, 0o700)
  const statements = [...databases.map((name) => `CREATE DATABASE \`${name}\``), ...users.flatMap(createUser)]
  // One line each, for that is how the server reads them.
  writeFileSync(join(directory, 'init.sql'), [...rootAccount, ...statements, ''].join(';\n'))
  if (tls !== undefined) writeTls(directory, tls)
  chownAll(directory)
  return directory
}

/** The superuser `root` with the password `root`, from the loopback only. */
const rootAccount: readonly string[] = [`ALTER USER root@'127.0.0.1' IDENTIFIED BY 'root'`]

function createUser({ name, password, plugin, grants, attributes }: MysqlUser): string[] {
  const user = `${quoted(name)}@'127.0.0.1'`
  const how = `IDENTIFIED VIA ${plugin ?? 'mysql_native_password'} USING PASSWORD(${quoted(password)})`
  return [`CREATE USER ${user} ${how} ${attributes ?? ''}`, `GRANT ${grants ?? 'ALL'} ON *.* TO ${user}`]
}

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`

function writeTls(directory: string, tls: MysqlTls): void {
  writeFileSync(join(directory, 'server.crt'), tls.cert)
  writeFileSync(join(directory, 'server.key'), tls.key, { mode: 0o600 })
  if (tls.clientCa !== undefined) writeFileSync(join(directory, 'clients.crt'), tls.clientCa)
}

/** The installation runs once for a version of MariaDB: its files are kept and copied. */
async function findTemplate(): Promise<string> {
  const { stdout } = await runOrThrow('mariadbd', ['--no-defaults', '--version'])
  const version = /Ver ([\w.]+)/.exec(stdout)?.[1] ?? 'unknown'
  const kept = keptAs(`mariadb-${version}`)
  if (existsSync(kept)) return kept
  const directory = temporaryDirectory('mariadb-template', serverAccount())
  const data = join(directory, 'data')
  const root = ['--auth-root-authentication-method=normal', '--skip-test-db', '--skip-name-resolve']
  const args = ['--no-defaults', `--datadir=${data}`, ...root, ...layout]
  await runOrThrow('mariadb-install-db', args, { ...serverAccount(), cwd: '/' })
  keep(data, kept)
  removeDirectory(directory)
  return kept
}
