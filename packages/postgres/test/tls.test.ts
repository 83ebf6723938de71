import { once } from 'node:events'
import type { ListenerTls, ResolutionRecord } from '@proxy/kernel'
import {
  type CertificateAuthority,
  certificateAuthority,
  describeNeeding,
  type Leaf,
  type PostgresServer,
  postgresServer,
} from '@proxy/test-servers'
import { tls } from '@proxy/tls'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeStartup } from '../src/startup-message.ts'
import { encodeRequest, errorField, requestCodes } from '../src/wire.ts'
import { connectTls, exchange, tap } from './raw.ts'
import { at, openGateway, psql, to } from './setup.ts'

let authority: CertificateAuthority
let certificate: Leaf
let other: Leaf
/** Shows the gateway's own certificate. */
let same: PostgresServer
/** Shows a certificate of its own. */
let different: PostgresServer

const hba = ['host all all 0.0.0.0/0 scram-sha-256', 'host all all ::/0 scram-sha-256']

const negotiated = (more: Partial<Parameters<typeof tls>[0]> = {}): ListenerTls =>
  tls({ mode: 'negotiated', certificates: [certificate], ...more })

describeNeeding(['openssl', 'psql'], 'TLS', () => {
  beforeAll(async () => {
    authority = certificateAuthority()
    certificate = authority.server({ name: 'localhost' })
    other = authority.server({ name: 'localhost' })
    ;[same, different] = await Promise.all([
      postgresServer({ databases: ['alpha'], tls: certificate, hba }),
      postgresServer({ databases: ['alpha'], tls: other, hba }),
    ])
  })

  afterAll(async () => {
    await Promise.all([same.stop(), different.stop()])
    authority.dispose()
  })

  const local = (port: number, more: string): string =>
    `host=localhost hostaddr=127.0.0.1 port=${port} user=demo dbname=alpha sslrootcert=${authority.certFile} ${more}`
  const viaTls = (server: PostgresServer): ResolutionRecord => ({
    endpoint: server.endpoint,
    tls: { mode: 'negotiated', ca: authority.cert },
  })
  const whoAmI = `select ssl from pg_stat_ssl where pid = pg_backend_pid()`

  describe('SCRAM and channel binding', () => {
    type Row = [client: string, backend: string, resolution: () => ResolutionRecord, works: Record<string, boolean>]
    const rows: Row[] = [
      ['disable', 'plain', () => ({ endpoint: same.endpoint }), { prefer: true, disable: true, require: false }],
      ['disable', 'TLS', () => viaTls(different), { prefer: true, disable: true, require: false }],
      ['verify-full', 'plain', () => ({ endpoint: same.endpoint }), { prefer: true, disable: true, require: false }],
      [
        'verify-full',
        'TLS with another certificate',
        () => viaTls(different),
        { prefer: false, disable: true, require: false },
      ],
      [
        'verify-full',
        'TLS with the same certificate',
        () => viaTls(same),
        { prefer: true, disable: true, require: true },
      ],
    ]
    const cases = rows.flatMap(([client, backend, resolution, works]) =>
      Object.entries(works).map(([binding, work]) => ({ client, backend, resolution, binding, work })),
    )

    test.each(cases)('sslmode=$client, backend $backend, channel_binding=$binding: $work', async (row) => {
      await using gateway = await openGateway(row.resolution, { listener: { tls: negotiated() } })
      const connection = local(gateway.port, `sslmode=${row.client} channel_binding=${row.binding}`)
      const { code, stdout, stderr } = await psql(connection, whoAmI)
      expect({ code: code === 0, stderr }).toMatchObject({ code: row.work })
      if (row.work) expect(stdout.trim()).toBe(row.backend === 'plain' ? 'f' : 't')
    })

    test('the failure is explained', async () => {
      await using gateway = await openGateway(() => viaTls(different), { listener: { tls: negotiated() } })
      const { stderr } = await psql(local(gateway.port, 'sslmode=require'), 'select 1')
      expect(stderr).toContain('channel binding check failed')
      expect(stderr).toMatch(/HINT: .*channel_binding=disable/)
    })

    test.each(['disable', 'require'])('a wrong password is not explained away, channel_binding=%s', async (binding) => {
      await using gateway = await openGateway(() => viaTls(same), { listener: { tls: negotiated() } })
      const connection = local(gateway.port, `sslmode=require channel_binding=${binding} password=wrong`)
      const { stderr } = await psql(connection, 'select 1')
      expect(stderr).toContain('password authentication failed')
      expect(stderr).not.toContain('HINT')
    })

    test('so is an MD5 password that was made with another user name', async () => {
      const old = await postgresServer({
        databases: ['alpha'],
        users: [],
        hba: ['host all postgres 0.0.0.0/0 trust', 'host all all 0.0.0.0/0 md5'],
      })
      const admin = `host=127.0.0.1 port=${old.port} user=postgres dbname=alpha`
      await psql(admin, `set password_encryption = 'md5'; create role demo login password 'demo'`)
      await using gateway = await openGateway(to(old), { protocol: { keys: ['user'] } })
      const { stderr } = await psql(`host=127.0.0.1 port=${gateway.port} user=demo.alpha dbname=alpha`, 'select 1')
      expect(stderr).toContain('password authentication failed for user "demo"')
      expect(stderr).toMatch(/HINT: .*scram-sha-256/)
      await old.stop()
    })
  })

  describe('at the client', () => {
    test('a listener without TLS declines, and the client may go on', async () => {
      await using gateway = await openGateway(to(same))
      expect(await psql(local(gateway.port, 'sslmode=prefer'), 'select 1')).toMatchObject({ code: 0 })
      expect((await psql(local(gateway.port, 'sslmode=require'), 'select 1')).stderr).toContain('does not support SSL')
    })

    test('a listener that requires it says so', async () => {
      await using gateway = await openGateway(to(same), { listener: { tls: negotiated({ required: true }) } })
      expect(await psql(local(gateway.port, 'sslmode=require'), 'select 1')).toMatchObject({ code: 0 })
      const { stderr } = await psql(local(gateway.port, 'sslmode=disable'), 'select 1')
      expect(stderr).toContain('FATAL:  TLS is required')
      expect(stderr).toContain('sslmode=require')
    })

    test('GSSENCRequest is declined once, and TLS may follow', async () => {
      await using gateway = await openGateway(to(same), { listener: { tls: negotiated() } })
      const gss = encodeRequest(requestCodes.gssenc)
      expect((await firstAnswers(gateway.port, [gss, encodeRequest(requestCodes.ssl)])).join()).toBe('N,S')
      const [no, error] = await firstAnswers(gateway.port, [gss, gss])
      expect(no).toBe('N')
      expect(errorField(Buffer.from(error!, 'latin1'), 'C')).toBe('08P01')
    })

    test.each(['negotiated', 'off'])('bytes behind the SSLRequest are refused (TLS %s)', async (mode) => {
      const listener = mode === 'off' ? {} : { tls: negotiated() }
      let routed = false
      await using gateway = await openGateway(
        () => {
          routed = true
          return same.endpoint
        },
        { listener },
      )
      const startup = encodeStartup(3 << 16, [['user', 'demo']])
      const answer = await exchange(gateway.port, Buffer.concat([encodeRequest(requestCodes.ssl), startup]))
      expect(errorField(answer, 'C')).toBe('08P01')
      expect(routed).toBe(false)
    })

    test('the server name is a key', async () => {
      await using gateway = await openGateway(({ key }) => (key === 'local' ? same.endpoint : '127.0.0.1:1'), {
        listener: {
          tls: tls({ mode: 'negotiated', certificates: [authority.server({ name: 'x', altNames: ['*.db.test'] })] }),
        },
        protocol: { keys: ['sni', 'database'], sniDomain: 'db.test' },
      })
      const connection = `host=local.db.test hostaddr=127.0.0.1 port=${gateway.port} user=demo dbname=alpha`
      const secured = `${connection} sslmode=verify-full sslrootcert=${authority.certFile}`
      expect(await psql(secured, 'select current_database()')).toMatchObject({ code: 0, stdout: 'alpha\n' })
    })

    test('client certificates are accepted and refused', async () => {
      const strangers = certificateAuthority('Strangers')
      await using gateway = await openGateway(to(same), {
        listener: { tls: negotiated({ ca: authority.cert, requireClientCert: true }) },
      })
      const shown = ({ certFile, keyFile }: Leaf) =>
        psql(local(gateway.port, `sslmode=require sslcert=${certFile} sslkey=${keyFile}`), 'select 1')
      expect(await shown(authority.client({ name: 'demo' }))).toMatchObject({ code: 0 })
      expect((await shown(strangers.client({ name: 'demo' }))).code).toBe(2)
      expect((await psql(local(gateway.port, 'sslmode=require sslcert=none'), 'select 1')).code).toBe(2)
      strangers.dispose()
    })

    test('pg with TLS', async () => {
      await using gateway = await openGateway(to(same), { listener: { tls: negotiated() } })
      const client = new pg.Client({ ...login(gateway.port), ssl: { ca: authority.cert }, host: 'localhost' })
      await client.connect()
      expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
      await client.end()
    })
  })

  describe('from the first byte', () => {
    test.each(['negotiated', 'implicit'] as const)('with ALPN it is served (listener %s)', async (mode) => {
      const listener = { tls: tls({ mode, certificates: [certificate] }) }
      await using gateway = await openGateway(to(same), { listener })
      const options = { direct: true, ca: authority.cert, servername: 'localhost', ALPNProtocols: ['postgresql'] }
      const socket = await connectTls(gateway.port, options)
      expect(socket.alpnProtocol).toBe('postgresql')
      socket.write(encodeStartup(3 << 16, [['user', 'demo']]))
      const [answer] = (await once(socket, 'data')) as [Buffer]
      expect(answer.toString('latin1', 0, 1)).toBe('R')
      socket.destroy()
    })

    test.each([[undefined], [['http/1.1']]])('without it (%s) it is not', async (ALPNProtocols) => {
      await using gateway = await openGateway(to(same), { listener: { tls: negotiated() } })
      const options = {
        direct: true,
        ca: authority.cert,
        servername: 'localhost',
        ...(ALPNProtocols && { ALPNProtocols }),
      }
      await expect(connectTls(gateway.port, options)).rejects.toThrow(/no application protocol/i)
    })

    test('a listener without TLS answers in TLS', async () => {
      await using gateway = await openGateway(to(same))
      const options = { direct: true, ca: authority.cert, ALPNProtocols: ['postgresql'] }
      await expect(connectTls(gateway.port, options)).rejects.toThrow(/alert/)
    })
  })

  describe('towards the backend', () => {
    test('a backend that declines is an error, not a plain connection', async () => {
      const plain = await postgresServer({ databases: ['alpha'] })
      await using tapped = await tap(plain.port)
      await using gateway = await openGateway(() => ({ endpoint: tapped.endpoint, tls: 'negotiated' }))
      const { stderr } = await psql(at(gateway.port, 'dbname=alpha'), 'select 1')
      expect(stderr).toContain('FATAL:  TLS with the backend failed')
      expect(tapped.openings).toEqual([encodeRequest(requestCodes.ssl)])
      await plain.stop()
    })

    test('a certificate that is not trusted is refused, and no address is told', async () => {
      await using gateway = await openGateway(() => ({ endpoint: same.endpoint, tls: 'negotiated' }))
      const { stderr } = await psql(at(gateway.port, 'dbname=alpha'), 'select 1')
      expect(stderr).toContain('FATAL:  TLS with the backend failed')
      expect(stderr).not.toContain(String(same.port))
    })
  })
})

const login = (port: number) => ({ port, user: 'demo', password: 'demo', database: 'alpha' })

/** Sends each packet when the one before was answered. */
async function firstAnswers(port: number, packets: readonly Buffer[]): Promise<string[]> {
  const { connect } = await import('node:net')
  const socket = connect(port, '127.0.0.1')
  const answers: string[] = []
  for (const packet of packets) {
    socket.write(packet)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    answers.push(answer.toString('latin1'))
  }
  socket.destroy()
  return answers
}
