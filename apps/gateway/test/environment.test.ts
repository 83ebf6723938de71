import {
  certificateAuthority,
  describeNeeding,
  findFreePort,
  httpBackend,
  type HttpBackend,
  type Launched,
  mariadbServer,
  type PostgresServer,
  postgresServer,
  run,
  smtpSink,
} from '@proxy/test-servers'
import { createConnection, type RowDataPacket } from 'mysql2/promise'
import { createTransport } from 'nodemailer'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { directoryOf, startGateway } from './gateway-process.ts'

describe('the environment', () => {
  let backend: HttpBackend
  let server: PostgresServer
  let ports: { http: number; postgres: number }
  const gateways: Launched[] = []

  beforeAll(async () => {
    backend = await httpBackend('hello')
    server = await postgresServer({ databases: ['alpha'] })
  })

  afterEach(async () => {
    await Promise.all(gateways.splice(0).map((gateway) => gateway.stop()))
  })

  afterAll(async () => {
    await Promise.all([backend.close(), server.stop()])
  })

  async function start(env: Record<string, string>, cwd = directoryOf({})): Promise<void> {
    ports = { http: await findFreePort(), postgres: await findFreePort() }
    const base = {
      PROXY_HOST: '127.0.0.1',
      HTTP_PORT: `${ports.http}`,
      TCP_POSTGRES_PORT: `${ports.postgres}`,
      TCP_MYSQL_PORT: '0',
      ADMIN_PORT: '0',
    }
    gateways.push(await startGateway({ args: ['--workers', '1'], env: { ...base, ...env }, cwd }))
  }

  const get = async (): Promise<[number, string]> => {
    const response = await fetch(`http://127.0.0.1:${ports.http}/`, { headers: { connection: 'close' } })
    return [response.status, await response.text()]
  }

  const database = async (): Promise<string> => {
    const client = new pg.Client(server.url('alpha', { port: ports.postgres }))
    await client.connect()
    const { rows } = await client.query<{ name: string }>('select current_database() as name')
    await client.end()
    return rows[0]!.name
  }

  it('routes everything to one endpoint each', async () => {
    await start({
      HTTP_BACKEND_ENDPOINT: backend.endpoint,
      TCP_BACKEND_ENDPOINT: server.endpoint,
      HTTP_SKIP_VALIDATION: 'true',
      TCP_SKIP_VALIDATION: 'true',
    })
    expect(await get()).toEqual([200, 'hello'])
    expect(await database()).toBe('alpha')
  })

  it('guards the listeners that do not skip validation', async () => {
    await start({
      HTTP_BACKEND_ENDPOINT: backend.endpoint,
      TCP_BACKEND_ENDPOINT: server.endpoint,
      TCP_SKIP_VALIDATION: 'true',
    })
    expect((await get())[0]).not.toBe(200)
    expect(await database()).toBe('alpha')
  })

  it('routes by the resolver of a module', async () => {
    const source = `interface Request { protocol: string; key: string }
      export default ({ protocol, key }: Request): string => {
        if (protocol === 'http') return '${backend.endpoint}'
        if (key === 'alpha') return '${server.endpoint}'
        throw new Error('unknown')
      }`
    const cwd = directoryOf({ 'resolver.ts': source })
    await start({ PROXY_RESOLVER: './resolver.ts', HTTP_SKIP_VALIDATION: '1', TCP_SKIP_VALIDATION: '1' }, cwd)
    expect(await get()).toEqual([200, 'hello'])
    expect(await database()).toBe('alpha')
  })

  describeNeeding(['mariadbd'], 'with MariaDB', () => {
    it('routes MySQL, with a database or without', async () => {
      await using mariadb = await mariadbServer({ databases: ['alpha'] })
      const port = await findFreePort()
      await start({
        PROXY_PROTOCOL: 'tcp',
        TCP_BACKEND_ENDPOINT: mariadb.endpoint,
        TCP_SKIP_VALIDATION: 'true',
        TCP_MYSQL_PORT: `${port}`,
      })
      const database = async (login: { database?: string }): Promise<unknown> => {
        const client = await createConnection({ host: '127.0.0.1', port, user: 'demo', password: 'demo', ...login })
        const [rows] = await client.query<RowDataPacket[]>('select database() as name')
        await client.end()
        return rows[0]!['name']
      }
      expect(await database({ database: 'alpha' })).toBe('alpha')
      expect(await database({})).toBeNull()
    })
  })

  it('routes SMTP', async () => {
    await using sink = await smtpSink()
    const port = await findFreePort()
    await start({
      PROXY_PROTOCOL: 'smtp',
      SMTP_BACKEND_ENDPOINT: sink.endpoint,
      SMTP_SKIP_VALIDATION: 'true',
      SMTP_PORT: `${port}`,
    })
    const transport = createTransport({ host: '127.0.0.1', port, name: 'anybody.example' })
    await transport.sendMail({ from: 'a@x.test', to: 'b@y.test', text: 'hello' })
    expect(sink.messages).toHaveLength(1)
  })

  it('answers every request itself', async () => {
    await start({ HTTP_DIRECT_RESPONSE: 'static', PROXY_PROTOCOL: 'http' })
    expect(await get()).toEqual([200, 'static'])
  })

  it('ends TLS, and asks for client certificates', async () => {
    const authority = certificateAuthority('test')
    const leaf = authority.server({ name: 'localhost' })
    const client = authority.client({ name: 'client' })
    await start({
      HTTP_DIRECT_RESPONSE: 'secret',
      PROXY_PROTOCOL: 'http',
      PROXY_TLS_ENABLED: 'true',
      PROXY_TLS_CERT: leaf.certFile,
      PROXY_TLS_KEY: leaf.keyFile,
      PROXY_TLS_CA: authority.certFile,
      PROXY_TLS_REQUIRE_CLIENT_CERT: 'true',
    })
    const curl = (...more: string[]) =>
      run('curl', ['-s', '--cacert', authority.certFile, ...more, `https://localhost:${ports.http}/`])
    expect((await curl('--cert', client.certFile, '--key', client.keyFile)).stdout).toBe('secret')
    expect((await curl()).code).not.toBe(0)
    authority.dispose()
  })

  it('says which variables have no effect', async () => {
    await start({ HTTP_DIRECT_RESPONSE: 'x', PROXY_PROTOCOL: 'http', HTTP_RAW_BACKEND: 'true' })
    expect(gateways[0]!.output).toContain('HTTP_RAW_BACKEND has no effect here')
  })
})
