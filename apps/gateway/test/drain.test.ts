import {
  describeNeeding,
  findFreePort,
  type HttpBackend,
  type PostgresServer,
  postgresServer,
} from '@proxy/test-servers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { directoryOf, startGateway } from './gateway-process.ts'
import { balances, Load, prepareBench, unhurriedBackend } from './load.ts'

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
