import { join } from 'node:path'
import { findProgram } from './find-program.ts'
import { demoPassword, demoUser } from './plan.ts'
import { type CommandLine, type Place, type Recipe, runProgram } from './recipe.ts'
import { tenants } from './tenants.ts'

interface MariadbPrograms {
  readonly server: string
  readonly install: string
}

/** A MariaDB server with a database for each tenant; undefined when `mariadbd` is not installed. */
export function mariadbRecipe(): Recipe | undefined {
  const server = findProgram('mariadbd')
  const install = findProgram('mariadb-install-db')
  if (server === undefined || install === undefined) return undefined
  return {
    title: 'MariaDB',
    slug: 'mariadb',
    endSignal: 'SIGTERM',
    abandonSignal: 'SIGKILL',
    ready: 'ready for connections',
    prepare: (place) => prepare({ server, install }, place),
  }
}

// Durability is of no use to data that goes with the process.
const settings: readonly string[] = [
  '--bind-address=127.0.0.1',
  '--skip-name-resolve',
  '--performance-schema=OFF',
  '--innodb-buffer-pool-size=32M',
  '--innodb-flush-log-at-trx-commit=0',
  '--innodb-fast-shutdown=2',
]

async function prepare({ server, install }: MariadbPrograms, place: Place): Promise<CommandLine> {
  const { directory, port } = place
  const data = join(directory, 'data')
  const args = ['--no-defaults', `--datadir=${data}`]
  const root = ['--auth-root-authentication-method=normal', '--skip-test-db', '--skip-name-resolve']
  await runProgram(place, { program: install, args: [...args, ...root] })
  await runProgram(place, { program: server, args: [...args, '--bootstrap'] }, statements.join('\n'))
  return { program: server, args: [...args, ...settings, `--socket=${join(directory, 'socket')}`, `--port=${port}`] }
}

const account = `'${demoUser}'@'127.0.0.1'`

/** A line each, as the bootstrap mode wants them. */
const statements: readonly string[] = [
  'FLUSH PRIVILEGES;',
  `CREATE USER ${account} IDENTIFIED BY '${demoPassword}';`,
  ...tenants.flatMap((name) => [
    `CREATE DATABASE ${name};`,
    `CREATE TABLE ${name}.greeting (message VARCHAR(100));`,
    `INSERT INTO ${name}.greeting VALUES ('Hello from ${name}.');`,
    `GRANT ALL ON ${name}.* TO ${account};`,
  ]),
  // The superuser, who has no password, cannot log in at all.
  `DELETE FROM mysql.global_priv WHERE User NOT IN ('${demoUser}', 'mariadb.sys');`,
]
