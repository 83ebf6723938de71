import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  describeNeeding,
  findFreePort,
  httpBackend,
  type HttpBackend,
  type Launched,
  type PostgresServer,
  postgresServer,
} from '@proxy/test-servers'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { directoryOf, startGateway, statsOf } from './gateway-process.ts'
import { balances, Load, prepareBench, unhurriedBackend } from './load.ts'

describe.each([1, 2])('SIGHUP with %i workers', (workers) => {
  let gateway: Launched
  let first: HttpBackend
  let second: HttpBackend
  let server: PostgresServer
  let ports: { http: number; postgres: number; admin: number }
  let directory: string

  const write = (web: string, more = {}): void => {
    const config = {
      listeners: [
        { address: `127.0.0.1:${ports.http}`, protocol: 'http' },
        { address: `127.0.0.1:${ports.postgres}`, protocol: 'postgres' },
      ],
      guard: { allow: [first, second, server].map(({ port }) => `127.0.0.1 ${port}`) },
      admin: { address: ports.admin },
      workers,
      ...more,
    }
    writeFileSync(
      join(directory, 'resolver.mjs'),
      `export default ({ protocol }) =>
      protocol === 'http' ? '${web}' : '${server.endpoint}'`,
    )
    writeFileSync(
      join(directory, 'gateway.config.mjs'),
      `export default ${JSON.stringify({ resolver: './resolver.mjs', ...config })}`,
    )
  }

  const reload = async (expected: RegExp): Promise<void> => {
    const offset = gateway.output.length
    gateway.signal('SIGHUP')
    await gateway.waitFor(expected, { offset })
  }

  // A connection of its own: one that is kept may still belong to the configuration that it began with.
  const get = async (port = ports.http): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).text()

  beforeAll(async () => {
    first = await unhurriedBackend('first')
    second = await unhurriedBackend('second')
    server = await postgresServer({ databases: ['alpha'] })
    ports = { http: await findFreePort(), postgres: await findFreePort(), admin: await findFreePort() }
    directory = directoryOf({})
    write(first.endpoint)
    gateway = await startGateway({ cwd: directory })
  })

  afterAll(async () => {
    await gateway.stop()
    await Promise.all([first.close(), second.close(), server.stop()])
  })

  it('reads the config file and the resolver anew, and keeps sessions under way', async () => {
    const client = new pg.Client(server.url('alpha', { port: ports.postgres }))
    await client.connect()
    await client.query('create temporary table kept (n int)')
    expect(await get()).toBe('first')
    write(second.endpoint)
    await reload(/"reloaded"/)
    for (let i = 0; i < 10; i++) expect(await get()).toBe('second')
    expect((await client.query('select * from kept')).rows).toEqual([])
    await client.end()
  })

  it('adds and removes listeners', async () => {
    const port = await findFreePort()
    const listeners = [ports.http, port].map((one) => ({ address: `127.0.0.1:${one}`, protocol: 'http' }))
    write(first.endpoint, { listeners })
    await reload(/"reloaded"/)
    expect([await get(), await get(port)]).toEqual(['first', 'first'])
    write(first.endpoint)
    await reload(/"reloaded"/)
    await expect(get(port)).rejects.toThrow()
  })

  it('is all or nothing: a mistake changes no worker', async () => {
    write(second.endpoint, { listners: [] })
    await reload(/the reload failed/)
    expect(gateway.output).toContain('listners: is not a known key')
    for (let i = 0; i < 10; i++) expect(await get()).toBe('first')
  })

  it('is all or nothing: an address that cannot be bound changes no worker', async () => {
    const taken = await httpBackend('taken')
    const listeners = [ports.http, taken.port].map((port) => ({ address: `127.0.0.1:${port}`, protocol: 'http' }))
    write(second.endpoint, { listeners })
    await reload(/the reload failed/)
    for (let i = 0; i < 10; i++) expect(await get()).toBe('first')
    await taken.close()
    const { reloads } = await statsOf(ports.admin)
    expect(reloads.failed).toBe(2)
  })

  it.skipIf(workers === 1)('is all or nothing: what the last worker cannot do, none does', async () => {
    await using taken = await httpBackend('taken')
    write(second.endpoint)
    const file = join(directory, 'gateway.config.mjs')
    const text = readFileSync(file, 'utf8').replace(
      '"listeners":[',
      `"listeners":[...(process.env.GATEWAY_WORKER === '2' ? [{ address: '127.0.0.1:${taken.port}', protocol: 'redis' }] : []),`,
    )
    writeFileSync(file, text)
    await reload(/the reload failed/)
    for (let i = 0; i < 20; i++) expect(await get()).toBe('first')
    write(second.endpoint)
    await reload(/"reloaded"/)
    for (let i = 0; i < 20; i++) expect(await get()).toBe('second')
  })

  describeNeeding(['wrk', 'pgbench'], 'under load', () => {
    it('fails no request and cuts no transaction in 20 reloads', { timeout: 120_000 }, async () => {
      await prepareBench(server, 'alpha')
      const postgresUrl = server.url('alpha', { port: ports.postgres })
      const accepted = async (): Promise<number> => (await statsOf(ports.admin)).listeners[1]!.accepted
      const before = await accepted()
      const load = new Load({ httpPort: ports.http, postgresUrl, seconds: 20, leaving: false })
      await vi.waitFor(async () => expect(await accepted()).toBeGreaterThan(before + 2), { timeout: 10_000 })
      for (let i = 0; i < 20; i++) {
        write(i % 2 === 0 ? second.endpoint : first.endpoint)
        await reload(/"reloaded"/)
      }
      await load.end()
      expect(new Set(await balances(server, 'alpha')).size).toBe(1)
    })
  })
})
