import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findFreePort } from '@proxy/test-servers'
import pg from 'pg'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { EmbeddedPostgres } from './postgres.ts'
import { findPostgres } from './postgres-files.ts'

describe('EmbeddedPostgres', () => {
  const open: EmbeddedPostgres[] = []
  const changes: boolean[] = []

  const make = async (): Promise<{ server: EmbeddedPostgres; port: number }> => {
    const programs = await findPostgres()
    const port = await findFreePort()
    const databases = ['alpha', 'beta']
    const onChange = (running: boolean): void => void changes.push(running)
    const server = new EmbeddedPostgres({
      programs: programs!,
      port,
      databases,
      user: 'demo',
      password: 'demo',
      onChange,
    })
    open.push(server)
    return { server, port }
  }

  const ask = async (port: number, database: string, sql: string): Promise<Record<string, unknown>> => {
    const client = new pg.Client({ host: '127.0.0.1', port, database, user: 'demo', password: 'demo' })
    await client.connect()
    try {
      return (await client.query(sql)).rows[0]
    } finally {
      await client.end()
    }
  }

  afterEach(async () => {
    await Promise.all(open.splice(0).map((server) => server.stop()))
    changes.length = 0
  })

  it('is started once for any number of callers, with a database for each tenant', async () => {
    const { server, port } = await make()
    await Promise.all([server.start(), server.start(), server.start()])
    expect(changes).toEqual([true])
    expect(await ask(port, 'alpha', 'select current_database() as name')).toEqual({ name: 'alpha' })
    expect(await ask(port, 'beta', 'select current_user as name')).toEqual({ name: 'demo' })
  })

  it('lets its user own the databases and nothing else', async () => {
    const { server, port } = await make()
    await server.start()
    expect(await ask(port, 'alpha', 'select rolsuper from pg_roles where rolname = current_user')).toEqual({
      rolsuper: false,
    })
  })

  it('says when the server is gone, starts again, and removes its data at the end', async () => {
    const { server } = await make()
    await server.start()
    const directory = server.directory ?? ''
    expect(existsSync(directory)).toBe(true)
    process.kill(Number(readFileSync(join(directory, 'data/postmaster.pid'), 'utf8').split('\n')[0]), 'SIGQUIT')
    await vi.waitFor(() => expect(changes).toEqual([true, false]), { timeout: 10_000 })
    await server.start()
    expect(changes).toEqual([true, false, true])
    await server.stop()
    expect(existsSync(directory)).toBe(false)
  })
})
