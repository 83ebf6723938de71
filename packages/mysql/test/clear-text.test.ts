import type { MysqlOptions } from '../src/index.ts'
import {
  type CertificateAuthority,
  certificateAuthority,
  describeNeeding,
  type MysqlSha2Server,
  mysqlSha2Server,
} from '@proxy/test-servers'
import { tls } from '@proxy/tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clients } from './clients.ts'
import { type Tap, tap } from './raw.ts'
import { openGateway, type TestGateway } from './setup.ts'

type Bridge = NonNullable<MysqlOptions['passwordBridge']>

/** Not to be found by chance. */
const password = 'an-unlikely-pass-phrase'
const plugins = ['caching_sha2_password', 'sha256_password', 'mysql_clear_password'] as const

let authority: CertificateAuthority
let server: MysqlSha2Server

describeNeeding(['mariadb', 'openssl'], 'passwords that are readable over TLS', () => {
  beforeAll(async () => {
    authority = certificateAuthority()
    const users = plugins.map((plugin) => ({ name: plugin, password, plugin }))
    server = await mysqlSha2Server({ users, tls: authority.server({ name: 'localhost' }) })
  })

  afterAll(async () => {
    await server.stop()
    authority.dispose()
  })

  const open = (tapped: Tap, backend: 'TLS' | 'plain', passwordBridge: Bridge): Promise<TestGateway> =>
    openGateway(
      () => ({
        endpoint: tapped.endpoint,
        tls: backend === 'plain' ? 'off' : { mode: 'negotiated', ca: authority.cert, serverName: 'localhost' },
      }),
      {
        protocol: { passwordBridge },
        listener: { tls: tls({ mode: 'negotiated', certificates: [authority.server({ name: 'localhost' })] }) },
      },
    )

  /** How each client logs in, and whether the way to the server has seen the password. */
  async function logIn(plugin: string, backend: 'TLS' | 'plain', bridge: Bridge) {
    await using tapped = await tap(server.port)
    await using gateway = await open(tapped, backend, bridge)
    const outcomes = []
    for (const ask of Object.values(clients)) {
      server.flush()
      const { code, row } = await ask(
        { port: gateway.port, user: plugin, password, database: 'any', tls: true },
        'select 1',
      )
      outcomes.push(code ?? row?.at(-1))
    }
    return { outcomes: [...new Set(outcomes)], seen: Buffer.concat(tapped.sent.flat()).includes(password) }
  }

  test.each(plugins)('%s goes on as it is to a backend with TLS', async (plugin) => {
    for (const bridge of ['refuse', 'rsa', 'allow'] as const) {
      expect(await logIn(plugin, 'TLS', bridge), bridge).toEqual({ outcomes: ['clear'], seen: false })
    }
  })

  describe('to a backend without TLS', () => {
    test.each<[Bridge, (typeof plugins)[number], unknown, boolean]>([
      ['refuse', 'caching_sha2_password', 1251, false],
      ['refuse', 'sha256_password', 1251, false],
      ['refuse', 'mysql_clear_password', 1251, false],
      ['rsa', 'caching_sha2_password', 'rsa', false],
      ['rsa', 'sha256_password', 'rsa', false],
      ['rsa', 'mysql_clear_password', 1251, false],
      ['allow', 'caching_sha2_password', 'rsa', false],
      ['allow', 'sha256_password', 'rsa', false],
      ['allow', 'mysql_clear_password', 'clear', true],
    ])('passwordBridge %s, %s: %s', async (bridge, plugin, outcome, seen) => {
      expect(await logIn(plugin, 'plain', bridge)).toEqual({ outcomes: [outcome], seen })
    })
  })
})
