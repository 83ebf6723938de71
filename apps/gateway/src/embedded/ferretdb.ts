import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { giveTo, openToAll } from './directories.ts'
import { findPrograms } from './find-program.ts'
import { demoPassword, demoUser } from './plan.ts'
import type { CommandLine, Place, Recipe } from './recipe.ts'
import { tenants } from './tenants.ts'

/** A FerretDB server, which speaks the wire of MongoDB, with a database for each tenant; undefined when there is none. */
export function ferretdbRecipe(): Recipe | undefined {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const program = findPrograms('ferretdb', [join(cache, 'proxy-test-servers', 'bin')]).find(keepsDataItself)
  if (program === undefined) return undefined
  return {
    title: 'FerretDB',
    slug: 'ferretdb',
    endSignal: 'SIGTERM',
    abandonSignal: 'SIGKILL',
    ready: 'Listening on TCP',
    prepare: (place) => Promise.resolve(prepare(program, place)),
    fill,
  }
}

/** Version 2 needs a PostgreSQL with extensions of its own. */
function keepsDataItself(program: string): boolean {
  try {
    return /^version: v1\./m.test(execFileSync(program, ['--version'], { encoding: 'utf8', timeout: 5_000 }))
  } catch {
    return false
  }
}

function prepare(found: string, { user, directory, port }: Place): CommandLine {
  const data = join(directory, 'data')
  mkdirSync(data)
  giveTo(user, data)
  const program = reachable(found, { user, directory })
  const args = [
    '--handler=sqlite',
    `--sqlite-url=file:${data}/`,
    `--state-dir=${directory}`,
    `--listen-addr=127.0.0.1:${port}`,
    '--debug-addr=-',
    '--telemetry=disable',
    '--log-level=info',
    '--test-enable-new-auth',
    `--setup-database=${tenants[0]}`,
    `--setup-username=${demoUser}`,
    `--setup-password=${demoPassword}`,
  ]
  return { program, args }
}

/** The program, or a copy of it when the user cannot reach it (a cache in root's home). */
function reachable(program: string, { user, directory }: Pick<Place, 'user' | 'directory'>): string {
  if (user === undefined || openToAll(program)) return program
  const copy = join(directory, 'ferretdb')
  copyFileSync(program, copy)
  return copy
}

/** The first tenant's user is the server's own; the others are made here. */
async function fill({ port }: Place): Promise<void> {
  const { MongoClient } = await import('mongodb')
  const client = new MongoClient(`mongodb://${demoUser}:${demoPassword}@127.0.0.1:${port}/${tenants[0]}`)
  try {
    for (const tenant of tenants) {
      const database = client.db(tenant)
      await database.collection('greeting').insertOne({ message: `Hello from ${tenant}.` })
      if (tenant !== tenants[0]) await database.command({ createUser: demoUser, pwd: demoPassword, roles: [] })
    }
  } finally {
    await client.close()
  }
}
