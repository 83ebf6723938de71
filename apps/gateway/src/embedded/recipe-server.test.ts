import { existsSync } from 'node:fs'
import { findFreePort } from '@proxy/test-servers'
import { MongoClient } from 'mongodb'
import { createConnection, type RowDataPacket } from 'mysql2/promise'
import pg from 'pg'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { ferretdbRecipe } from './ferretdb.ts'
import { mariadbRecipe } from './mariadb.ts'
import { postgresRecipe } from './postgres.ts'
import type { Recipe } from './recipe.ts'
import { RecipeServer } from './recipe-server.ts'

type Row = Record<string, unknown>
type Ask = (port: number, database: string, what: string) => Promise<Row>

const login = { host: '127.0.0.1', user: 'demo', password: 'demo' }

async function askPostgres(port: number, database: string, sql: string): Promise<Row> {
  const client = new pg.Client({ ...login, port, database })
  await client.connect()
  try {
    return (await client.query<Row>(sql)).rows[0]!
  } finally {
    await client.end()
  }
}

async function askMariadb(port: number, database: string, sql: string): Promise<Row> {
  const client = await createConnection({ ...login, port, database })
  try {
    return (await client.query<RowDataPacket[]>(sql))[0][0]!
  } finally {
    await client.end()
  }
}

/** What it holds, by way of a login to that very database. */
async function askFerretdb(port: number, database: string, collection: string): Promise<Row> {
  const client = new MongoClient(`mongodb://demo:demo@127.0.0.1:${port}/${database}`)
  try {
    return (await client
      .db()
      .collection(collection)
      .findOne({}, { projection: { _id: 0 } }))!
  } finally {
    await client.close()
  }
}

interface Case {
  readonly name: string
  readonly recipe: Recipe | undefined
  readonly ask: Ask
  readonly greeting: string
  readonly alpha: Row
  readonly beta: Row
  /** Puts in something to keep, */
  readonly keep: (port: number, database: string) => Promise<unknown>
  /** which this asks for: a 7 as `n`. */
  readonly kept: string
  /** A statement that only the server's master may execute. */
  readonly forbidden?: string
}

const hello = { alpha: { message: 'Hello from alpha.' }, beta: { message: 'Hello from beta.' } }

const cases: readonly Case[] = [
  {
    name: 'PostgreSQL',
    recipe: await postgresRecipe(),
    ask: askPostgres,
    greeting: 'select current_database() as name, current_user as user',
    alpha: { name: 'alpha', user: 'demo' },
    beta: { name: 'beta', user: 'demo' },
    keep: (port, database) => askPostgres(port, database, 'create table kept as select 7 as n'),
    kept: 'select n from kept',
    forbidden: 'create role other',
  },
  {
    name: 'MariaDB',
    recipe: mariadbRecipe(),
    ask: askMariadb,
    greeting: 'select message from greeting',
    ...hello,
    keep: (port, database) => askMariadb(port, database, 'create table kept as select 7 as n'),
    kept: 'select n from kept',
    forbidden: 'create user other',
  },
  {
    name: 'FerretDB',
    recipe: ferretdbRecipe(),
    ask: askFerretdb,
    greeting: 'greeting',
    ...hello,
    keep: async (port, database) => {
      const client = new MongoClient(`mongodb://demo:demo@127.0.0.1:${port}/${database}`)
      await client.db().collection('kept').insertOne({ n: 7 })
      await client.close()
    },
    kept: 'kept',
  },
]

const never = new AbortController().signal

describe.each(cases)('RecipeServer with $name', ({ recipe, ask, greeting, alpha, beta, keep, kept, forbidden }) => {
  const open: RecipeServer[] = []
  const gone: string[] = []

  const newServer = async (): Promise<{ server: RecipeServer; port: number }> => {
    const port = await findFreePort()
    const server = new RecipeServer(recipe!, port, (reason) => void gone.push(reason))
    open.push(server)
    return { server, port }
  }

  afterEach(async () => {
    for (const server of open.splice(0)) {
      await server.stop()
      await server.dispose()
    }
    gone.length = 0
  })

  it.skipIf(recipe === undefined)('has a database for each tenant, and nobody is its master', async () => {
    const { server, port } = await newServer()
    expect(await server.start(never)).toBe(`127.0.0.1:${port}`)
    expect(await ask(port, 'alpha', greeting)).toEqual(alpha)
    expect(await ask(port, 'beta', greeting)).toEqual(beta)
    if (forbidden !== undefined) await expect(ask(port, 'alpha', forbidden)).rejects.toThrow(/denied/)
  })

  it.skipIf(recipe === undefined)('keeps its data while it is stopped, and removes it at the end', async () => {
    const { server, port } = await newServer()
    await server.start(never)
    const directory = server.directory ?? ''
    await keep(port, 'alpha')
    await server.stop()
    expect(server.pid).toBeUndefined()
    expect(existsSync(directory)).toBe(true)
    await server.start(never)
    expect(await ask(port, 'alpha', kept)).toMatchObject({ n: 7 })
    await server.stop()
    await server.dispose()
    expect([existsSync(directory), gone]).toEqual([false, []])
  })

  it.skipIf(recipe === undefined)('says when the server is gone, and starts again', async () => {
    const { server, port } = await newServer()
    await server.start(never)
    process.kill(server.pid!, 'SIGQUIT')
    await vi.waitFor(() => expect(gone).toHaveLength(1), { timeout: 10_000 })
    await server.start(never)
    expect(await ask(port, 'beta', greeting)).toEqual(beta)
  })
})
