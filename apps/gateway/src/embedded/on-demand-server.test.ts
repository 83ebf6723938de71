import { existsSync } from 'node:fs'
import { findFreePort } from '@proxy/test-servers'
import { MongoClient } from 'mongodb'
import { createConnection, type RowDataPacket } from 'mysql2/promise'
import pg from 'pg'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { ferretdbRecipe } from './ferretdb.ts'
import { mariadbRecipe } from './mariadb.ts'
import { OnDemandServer } from './on-demand-server.ts'
import { postgresRecipe } from './postgres.ts'
import type { Recipe } from './recipe.ts'

type Row = Record<string, unknown>
type Ask = (port: number, database: string, sql: string) => Promise<Row>

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
    forbidden: 'create role other',
  },
  {
    name: 'MariaDB',
    recipe: mariadbRecipe(),
    ask: askMariadb,
    greeting: 'select message from greeting',
    ...hello,
    forbidden: 'create user other',
  },
  { name: 'FerretDB', recipe: ferretdbRecipe(), ask: askFerretdb, greeting: 'greeting', ...hello },
]

describe.each(cases)('OnDemandServer with $name', ({ recipe, ask, greeting, alpha, beta, forbidden }) => {
  const open: OnDemandServer[] = []
  const changes: boolean[] = []

  const newServer = async (): Promise<{ server: OnDemandServer; port: number }> => {
    const port = await findFreePort()
    const server = new OnDemandServer({ recipe: recipe!, port, onChange: (running) => void changes.push(running) })
    open.push(server)
    return { server, port }
  }

  afterEach(async () => {
    await Promise.all(open.splice(0).map((server) => server.stop()))
    changes.length = 0
  })

  it.skipIf(recipe === undefined)(
    'is started once for any number of callers, with a database for each tenant',
    async () => {
      const { server, port } = await newServer()
      await Promise.all([server.start(), server.start(), server.start()])
      expect(changes).toEqual([true])
      expect(await ask(port, 'alpha', greeting)).toEqual(alpha)
      expect(await ask(port, 'beta', greeting)).toEqual(beta)
      if (forbidden !== undefined) await expect(ask(port, 'alpha', forbidden)).rejects.toThrow(/denied/)
    },
  )

  it.skipIf(recipe === undefined)(
    'says when the server is gone, starts again, and removes its data at the end',
    async () => {
      const { server, port } = await newServer()
      await server.start()
      const directory = server.directory ?? ''
      expect(existsSync(directory)).toBe(true)
      process.kill(server.pid!, 'SIGQUIT')
      await vi.waitFor(() => expect(changes).toEqual([true, false]), { timeout: 10_000 })
      await server.start()
      expect(changes).toEqual([true, false, true])
      expect(await ask(port, 'beta', greeting)).toEqual(beta)
      await server.stop()
      expect(existsSync(directory)).toBe(false)
    },
  )
})
