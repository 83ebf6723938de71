import {
  describeNeeding,
  findFreePort,
  httpBackend,
  type HttpBackend,
  launch,
  type Launched,
} from '@proxy/test-servers'
import { type PostgresServer, postgresServer } from '@proxy/test-servers'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { directoryOf, startGateway, statsOf } from './gateway-process.ts'

describe('two workers', () => {
  let gateway: Launched
  let backend: HttpBackend
  let ports: { http: number; postgres: number; admin: number }
  let server: PostgresServer

  beforeAll(async () => {
    backend = await httpBackend('hello')
    server = await postgresServer({ databases: ['alpha'] })
    ports = { http: await findFreePort(), postgres: await findFreePort(), admin: await findFreePort() }
    const config = {
      listeners: [
        { address: `127.0.0.1:${ports.http}`, protocol: 'http' },
        { address: `127.0.0.1:${ports.postgres}`, protocol: 'postgres' },
      ],
      resolver: { static: { '127.0.0.1': backend.endpoint, alpha: server.endpoint } },
      guard: { allow: [`127.0.0.1 ${backend.port}`, `127.0.0.1 ${server.port}`] },
      admin: { address: ports.admin },
      workers: 2,
    }
    gateway = await startGateway({ cwd: directoryOf({ 'gateway.config.json': JSON.stringify(config) }) })
  })

  afterAll(async () => {
    await gateway.stop()
    await backend.close()
    await server.stop()
  })

  const get = async (): Promise<number> =>
    (await fetch(`http://127.0.0.1:${ports.http}/`, { headers: { connection: 'close' } })).status

  it('is started again when one dies, while the other serves', async () => {
    const [victim, survivor] = (await statsOf(ports.admin)).workers
    process.kill(victim!.pid, 'SIGKILL')
    await gateway.waitFor(/the worker serves again/)
    const { workers, restarts } = await statsOf(ports.admin)
    expect(restarts).toBe(1)
    expect(workers.map(({ worker }) => worker)).toEqual([1, 2])
    expect(workers.map(({ pid }) => pid)).toContain(survivor!.pid)
    expect(workers.map(({ pid }) => pid)).not.toContain(victim!.pid)
    expect(await get()).toBe(200)
  })

  it('never counts backwards when one dies', async () => {
    const accepted = async (): Promise<number> =>
      (await statsOf(ports.admin)).listeners.find(({ name }) => name === 'http')!.accepted
    for (let i = 0; i < 20; i++) await get()
    const before = await accepted()
    const printed = gateway.output.length
    process.kill((await statsOf(ports.admin)).workers[0]!.pid, 'SIGKILL')
    await gateway.waitFor(/the worker serves again/, { offset: printed })
    expect(await accepted()).toBe(before)
  })

  describeNeeding(['psql'], 'with psql', () => {
    it('cancels queries at Ctrl-C, whichever worker the cancel reaches', async () => {
      const url = server.url('alpha', { port: ports.postgres })
      const sessions = Array.from({ length: 12 }, () => launch('psql', [url, '-c', 'select pg_sleep(60)']))
      await vi.waitFor(async () => expect(await activeQueries(server)).toBe(12), { timeout: 15_000 })
      for (const session of sessions) session.signal('SIGINT')
      const exits = await Promise.all(sessions.map((session) => session.exited))
      expect(exits.map(({ code }) => code)).toEqual(sessions.map(() => 1))
      for (const { stderr } of sessions) expect(stderr).toContain('canceling statement due to user request')
    })
  })
})

async function activeQueries(server: PostgresServer): Promise<number> {
  const { Client } = (await import('pg')).default
  const client = new Client(server.url('alpha'))
  await client.connect()
  const sql = `select count(*)::int as n from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'`
  const { rows } = await client.query<{ n: number }>(sql)
  await client.end()
  return rows[0]!.n
}
