import {
  type CertificateAuthority,
  certificateAuthority,
  describeNeeding,
  type Leaf,
  type MongoServer,
  mongoServer,
} from '@proxy/test-servers'
import { tls } from '@proxy/tls'
import type { MongoClient, MongoClientOptions } from 'mongodb'
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rawMongo, rawMongoTls } from './raw.ts'
import { errorOf, mongosh, openGateway, type TestGateway, type TestGatewayOptions, withClient } from './setup.ts'

let authority: CertificateAuthority
let certificate: Leaf
let alpha: MongoServer
let beta: MongoServer

const domain = 'db.test'
const user = { name: 'demo', password: 'demo' }

/** Resolves every host name to the gateway, as DNS would. */
const lookup: NonNullable<MongoClientOptions['lookup']> = (_, options, callback) => {
  if (options.all === true) callback(null, [{ address: '127.0.0.1', family: 4 }])
  else callback(null, '127.0.0.1', 4)
}

const write = (client: MongoClient) => client.db('shop').collection('t').insertOne({ n: 1 })
const count = (client: MongoClient) => client.db('shop').collection('t').countDocuments()

describeNeeding(['ferretdb', 'openssl'], 'TLS', () => {
  beforeAll(async () => {
    authority = certificateAuthority()
    certificate = authority.server({ name: 'gateway', altNames: [`*.${domain}`, 'localhost', '127.0.0.1'] })
    ;[alpha, beta] = await Promise.all([
      mongoServer({ users: [user] }),
      mongoServer({ users: [user], tls: certificate }),
    ])
  })

  afterAll(async () => {
    await Promise.all([alpha.stop(), beta.stop()])
    authority.dispose()
  })

  const open = (
    options: TestGatewayOptions = {},
    more: Partial<Parameters<typeof tls>[0]> = {},
  ): Promise<TestGateway> =>
    openGateway(
      ({ key }) =>
        key === 'alpha'
          ? alpha.endpoint
          : { endpoint: beta.endpoint, tls: { mode: 'implicit', ca: authority.cert, serverName: 'localhost' } },
      {
        protocol: { sniDomain: domain },
        listener: { tls: tls({ mode: 'implicit', certificates: [certificate], ...more }) },
        ...options,
      },
    )

  const at = (host: string, port: number, query = ''): string =>
    `mongodb://demo:demo@${host}:${port}/shop?authSource=admin&tls=true&tlsCAFile=${authority.certFile}${query}`

  describe('the server name is the tenant', () => {
    test.each(['', '&directConnection=true', '&loadBalanced=true&retryWrites=false'])(
      'for the driver (%s)',
      async (query) => {
        await using gateway = await open()
        const before = await withClient(at(`beta.${domain}`, gateway.port, query), count, { lookup })
        await withClient(at(`beta.${domain}`, gateway.port, query), write, { lookup })
        expect(await withClient(at(`beta.${domain}`, gateway.port, query), count, { lookup })).toBe(before + 1)
        expect(await withClient(at(`alpha.${domain}`, gateway.port, query), count, { lookup })).toBe(0)
        expect(new Set(gateway.dials)).toEqual(new Set(['alpha', 'beta']))
      },
    )

    test('and no database is out of reach', async () => {
      await using gateway = await open()
      await withClient(
        at(`alpha.${domain}`, gateway.port),
        async (client) => {
          for (const name of ['crm', 'beta', 'alpha']) await client.db(name).collection('t').insertOne({ name })
          expect((await client.db('beta').collection('t').findOne())?.['name']).toBe('beta')
        },
        { lookup },
      )
    })

    test('monitors do not even resolve it', async () => {
      await using gateway = await open()
      using client = rawMongoTls(gateway.port, { ca: authority.cert, servername: `alpha.${domain}` })
      for (let n = 0; n < 3; n++) expect(await client.ask({ hello: 1, $db: 'admin' })).toMatchObject({ ok: 1 })
      expect(gateway.dials).toEqual([])
    })
  })

  test('mongosh with TLS', { timeout: 60_000 }, async () => {
    await using gateway = await open({ protocol: { keys: [], defaultKey: 'beta' } })
    const { code, stdout, stderr } = await mongosh(at('localhost', gateway.port), 'db.runCommand({ping: 1}).ok')
    expect({ code, stdout, stderr }).toMatchObject({ code: 0, stdout: '1\n' })
  })

  test('a wrong password is refused by the backend behind TLS', async () => {
    await using gateway = await open()
    const url = at(`beta.${domain}`, gateway.port).replace('demo:demo', 'demo:wrong')
    expect(await errorOf(withClient(url, count, { lookup }))).toMatchObject({ code: 18 })
  })

  test('a client that does not speak it gets no answer', async () => {
    await using gateway = await open()
    using client = rawMongo(gateway.port)
    client.send({ hello: 1, $db: 'admin' })
    await client.closes()
    expect(client.messages).toEqual([])
  })

  test('TLS and plain on one port, unless TLS is required', async () => {
    const protocol = { keys: [], defaultKey: 'alpha' } as const
    await using either = await open({ protocol }, { mode: 'negotiated' })
    const plain = (port: number): string => alpha.url('shop', { port })
    expect(await withClient(at('localhost', either.port), count)).toBe(0)
    expect(await withClient(plain(either.port), count)).toBe(0)
    await using required = await open({ protocol }, { mode: 'negotiated', required: true })
    expect(await withClient(at('localhost', required.port), count)).toBe(0)
    const error = await errorOf(withClient(plain(required.port), count, { serverSelectionTimeoutMS: 500 }))
    expect(error.message).toContain('TLS')
    using client = rawMongo(required.port)
    expect(await client.ask({ hello: 1, $db: 'admin' })).toMatchObject({ ok: 0, code: 13, codeName: 'Unauthorized' })
    expect(required.dials).toEqual(['alpha'])
  })

  test('client certificates are accepted and refused', async () => {
    await using gateway = await open({}, { ca: authority.cert, requireClientCert: true })
    const strangers = certificateAuthority('Strangers')
    const shown = (leaf: Leaf | undefined): Promise<number> => {
      const file = leaf === undefined ? '' : `&tlsCertificateKeyFile=${both(leaf)}`
      const options = { lookup, serverSelectionTimeoutMS: 500 }
      return withClient(at(`alpha.${domain}`, gateway.port, file), count, options)
    }
    expect(await shown(authority.client({ name: 'demo' }))).toBe(0)
    await errorOf(shown(strangers.client({ name: 'demo' })))
    await errorOf(shown(undefined))
    expect(new Set(gateway.dials)).toEqual(new Set(['alpha']))
    strangers.dispose()
  })

  test('a backend whose certificate is not trusted is refused, and no address is told', async () => {
    await using gateway = await openGateway(() => ({ endpoint: beta.endpoint, tls: 'implicit' }))
    using client = rawMongo(gateway.port)
    await client.ask({ hello: 1, $db: 'admin' })
    const answer = await client.ask({ ping: 1, $db: 'shop' })
    expect(answer).toMatchObject({ ok: 0, errmsg: expect.stringContaining('TLS with the backend failed') as string })
    expect(JSON.stringify(answer)).not.toContain(String(beta.port))
  })

  test('passthrough is routed by the server name, and the backend shows its own certificate', async () => {
    const listener = { tls: tls({ mode: 'passthrough' }) }
    await using gateway = await openGateway(() => beta.endpoint, { protocol: { sniDomain: domain }, listener })
    await withClient(
      at(`beta.${domain}`, gateway.port),
      async (client) => {
        expect(await client.db('shop').command({ ping: 1 })).toMatchObject({ ok: 1 })
      },
      { lookup },
    )
  })
})

/** Certificate and key in one file, as the driver wants them. */
function both(leaf: Leaf): string {
  const file = leaf.certFile.replace('.crt', '.pem')
  writeFileSync(file, leaf.cert + leaf.key)
  return file
}
