import {
  describeNeeding,
  findFreePort,
  type HttpBackend,
  type PostgresServer,
  postgresServer,
} from '@proxy/test-servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { directoryOf, startGateway } from './gateway-process.ts'
import { balances, Load, prepareBench, unhurriedBackend } from './load.ts'

describe('SIGTERM', () => {
  it('is not ready at once, goes on accepting for the delay, and exits with 0', async () => {
    await using backend = await unhurriedBackend('hello', 300)
    const [port, admin] = [await findFreePort(), await findFreePort()]
    const config = {
      listeners: [{ address: `127.0.0.1:${port}`, protocol: 'http' }],
      resolver: { fixed: backend.endpoint },
      guard: { allow: [`127.0.0.1 ${backend.port}`] },
      admin: { address: admin },
      workers: 2,
      drain: { delayMs: 2_000, deadlineMs: 10_000 },
    }
    const gateway = await startGateway({ cwd: directoryOf({ 'gateway.config.json': JSON.stringify(config) }) })
    const status = async (url: string): Promise<number> =>
      (await fetch(url, { headers: { connection: 'close' } })).status
    expect(await status(`http://127.0.0.1:${admin}/readyz`)).toBe(200)
    gateway.signal('SIGTERM')
    await gateway.waitFor(/draining/)
    expect(await status(`http://127.0.0.1:${admin}/readyz`)).toBe(503)
    expect(await status(`http://127.0.0.1:${port}/`)).toBe(200)
    expect(await gateway.exited).toEqual({ code: 0, signal: null })
  })
})

describeNeeding(['wrk', 'pgbench'], 'a rolling upgrade', () => {
  let backend: HttpBackend
  let server: PostgresServer

  beforeAll(async () => {
    backend = await unhurriedBackend('hello')
    server = await postgresServer({ databases: ['alpha'] })
    await prepareBench(server, 'alpha')
  })

  afterAll(async () => {
    await Promise.all([backend.close(), server.stop()])
  })

  it('fails no request and cuts no transaction in 20 drains', { timeout: 400_000 }, async () => {
    const ports = { http: await findFreePort(), postgres: await findFreePort() }
    const config = {
      listeners: [
        { address: `127.0.0.1:${ports.http}`, protocol: 'http', reusePort: true },
        { address: `127.0.0.1:${ports.postgres}`, protocol: 'postgres', reusePort: true },
      ],
      resolver: { static: { '127.0.0.1': backend.endpoint, alpha: server.endpoint } },
      guard: { allow: [`127.0.0.1 ${backend.port}`, `127.0.0.1 ${server.port}`] },
      admin: false,
      workers: 2,
    }
    const cwd = directoryOf({ 'gateway.config.json': JSON.stringify(config) })
    let gateway = await startGateway({ cwd })
    const upgrade = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) {
        const next = await startGateway({ cwd })
        expect(await gateway.stop('SIGTERM', 40_000)).toEqual({ code: 0, signal: null })
        gateway = next
      }
    }
    const ended = new AbortController()
    const load = async (): Promise<void> => {
      const postgresUrl = server.url('alpha', { port: ports.postgres })
      while (!ended.signal.aborted)
        await new Load({ httpPort: ports.http, postgresUrl, seconds: 5, leaving: true }).end()
    }
    await Promise.all([upgrade().finally(() => ended.abort()), load()])
    await gateway.stop()
    expect(new Set(await balances(server, 'alpha')).size).toBe(1)
  })
})
