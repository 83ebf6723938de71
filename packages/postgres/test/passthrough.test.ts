import {
  type CertificateAuthority,
  certificateAuthority,
  describeNeeding,
  type PostgresServer,
  postgresServer,
} from '@proxy/test-servers'
import { tls } from '@proxy/tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodeRequest, requestCodes } from '../src/wire.ts'
import { connectTls, exchange, tap } from './raw.ts'
import { openGateway, psql, type TestGateway } from './setup.ts'

let authority: CertificateAuthority
let alpha: PostgresServer
let beta: PostgresServer
let plain: PostgresServer
let gateway: TestGateway

describeNeeding(['openssl', 'psql'], 'TLS passthrough', () => {
  beforeAll(async () => {
    authority = certificateAuthority()
    const server = (name: string) =>
      postgresServer({ databases: ['shop'], tls: authority.server({ name, altNames: [`${name}.db.test`] }) })
    ;[alpha, beta, plain] = await Promise.all([server('alpha'), server('beta'), postgresServer()])
    const endpoints: Record<string, string> = {
      alpha: alpha.endpoint,
      beta: beta.endpoint,
      plain: plain.endpoint,
    }
    gateway = await openGateway(({ key }) => endpoints[key] ?? '127.0.0.1:1', {
      listener: { tls: tls({ mode: 'passthrough' }) },
      protocol: { sniDomain: 'db.test' },
    })
  })

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await Promise.all([alpha, beta, plain].map((server) => server.stop()))
    authority.dispose()
  })

  const via = (host: string, more: string): string =>
    `host=${host} hostaddr=127.0.0.1 port=${gateway.port} user=demo dbname=shop sslrootcert=${authority.certFile} ${more}`
  const whereAmI = 'select inet_server_port(), ssl from pg_stat_ssl where pid = pg_backend_pid()'

  test.each(['prefer', 'require', 'disable'])(
    'the backend shows its own certificate, channel_binding=%s',
    async (binding) => {
      const more = `sslmode=verify-full channel_binding=${binding}`
      expect((await psql(via('alpha.db.test', more), whereAmI)).stdout.trim()).toBe(`${alpha.port}|t`)
      expect((await psql(via('beta.db.test', more), whereAmI)).stdout.trim()).toBe(`${beta.port}|t`)
    },
  )

  test('a client without TLS is refused, and told what to do', async () => {
    const { stderr } = await psql(via('alpha.db.test', 'sslmode=disable'), 'select 1')
    expect(stderr).toContain('FATAL:  TLS is required')
    expect(stderr).toContain('sslmode=require')
  })

  test('a client without a server name gets a TLS alert that says so', async () => {
    const { code, stderr } = await psql(via('alpha.db.test', 'sslmode=require sslsni=0'), 'select 1')
    expect(code).toBe(2)
    expect(stderr).toMatch(/unrecognized name/)
  })

  test('so does one whose backend has no TLS', async () => {
    const { code, stderr } = await psql(via('plain.db.test', 'sslmode=require'), 'select 1')
    expect(code).toBe(2)
    expect(stderr).toMatch(/alert|internal error/)
  })

  test('TLS from the first byte', async () => {
    await using tapped = await tap(alpha.port)
    await using direct = await openGateway(() => tapped.endpoint, { listener: { tls: tls({ mode: 'passthrough' }) } })
    const options = { direct: true, ca: authority.cert, servername: 'alpha.db.test', ALPNProtocols: ['postgresql'] }
    const socket = await connectTls(direct.port, options)
    expect(socket.alpnProtocol).toBe('postgresql')
    expect(tapped.openings[0]![0]).toBe(0x16)
    socket.destroy()
    const { ALPNProtocols: _, ...without } = options
    await expect(connectTls(direct.port, without)).rejects.toThrow(/no application protocol/i)
  })

  test('nothing may come before the answer to the SSLRequest', async () => {
    const answer = await exchange(gateway.port, Buffer.concat([encodeRequest(requestCodes.ssl), Buffer.of(0x16)]))
    expect(answer.toString('latin1')).toContain('C08P01')
  })
})
