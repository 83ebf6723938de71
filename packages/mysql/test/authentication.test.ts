import type { ResolveFunction } from '@proxy/kernel'
import {
  type CertificateAuthority,
  certificateAuthority,
  describeNeeding,
  type MariadbServer,
  mariadbServer,
  type MysqlEngine,
  mysqlEngine,
  type MysqlSha2Server,
  mysqlSha2Server,
} from '@proxy/test-servers'
import { tls } from '@proxy/tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clients, type Login, type Outcome } from './clients.ts'
import type { MysqlOptions } from '../src/index.ts'
import { openGateway, type TestGateway } from './setup.ts'
import { Table } from './table.ts'

type Client = keyof typeof clients

/** `client -> backend`. */
const ways = ['plain -> plain', 'plain -> TLS', 'TLS -> plain', 'TLS -> TLS'] as const
type Way = (typeof ways)[number]

/** `ok`, the code of the server's own error, or `bridge`: needs a password bridge, and without one is 1251 of ours. */
type Expected = 'ok' | 1045 | 'bridge'

interface Row {
  readonly account: string
  /** The database that names the server. */
  readonly server: 'mariadb' | 'sha2' | 'engine'
  readonly user: string
  readonly password: string
  /** How sha2 was shown a password, as it tells itself: by the way. */
  readonly login?: string | Readonly<Record<Way, string>>
  /** Log in beforehand, directly. */
  readonly cached?: boolean
  /** A client that cannot do it, past the gateway either. */
  readonly lacking?: Client
  readonly expected: Expected | Readonly<Record<Way, Expected>>
}

const unlessMixed = {
  'plain -> plain': 'ok',
  'plain -> TLS': 'bridge',
  'TLS -> plain': 'bridge',
  'TLS -> TLS': 'ok',
} as const
const shown = {
  'plain -> plain': 'rsa',
  'plain -> TLS': 'clear',
  'TLS -> plain': 'rsa',
  'TLS -> TLS': 'clear',
} as const
const refusedUnlessMixed = { ...unlessMixed, 'plain -> plain': 1045, 'TLS -> TLS': 1045 } as const

const mariadbRows: readonly Row[] = [
  { account: 'native', server: 'mariadb', user: 'native', password: 'pass', expected: 'ok' },
  { account: 'native, wrong password', server: 'mariadb', user: 'native', password: 'wrong', expected: 1045 },
  { account: 'native, empty', server: 'mariadb', user: 'none', password: '', expected: 'ok' },
  { account: 'native, missing password', server: 'mariadb', user: 'native', password: '', expected: 1045 },
  { account: 'ed25519', server: 'mariadb', user: 'ed', password: 'pass', lacking: 'mysql2', expected: 'ok' },
  {
    account: 'ed25519, wrong password',
    server: 'mariadb',
    user: 'ed',
    password: 'no',
    lacking: 'mysql2',
    expected: 1045,
  },
  { account: 'unknown user', server: 'mariadb', user: 'nobody', password: 'pass', expected: 1045 },
]

const sha2Rows: readonly Row[] = [
  {
    account: 'caching_sha2, cached',
    server: 'sha2',
    user: 'sha2',
    password: 'pass',
    cached: true,
    login: 'fast',
    expected: 'ok',
  },
  {
    account: 'caching_sha2, not cached',
    server: 'sha2',
    user: 'sha2',
    password: 'pass',
    login: shown,
    expected: unlessMixed,
  },
  {
    account: 'caching_sha2, wrong password',
    server: 'sha2',
    user: 'sha2',
    password: 'wrong',
    expected: refusedUnlessMixed,
  },
  { account: 'caching_sha2, empty', server: 'sha2', user: 'none', password: '', login: 'empty', expected: 'ok' },
  { account: 'caching_sha2, missing password', server: 'sha2', user: 'sha2', password: '', expected: 1045 },
  {
    account: 'caching_sha2, unknown user',
    server: 'sha2',
    user: 'nobody',
    password: 'pass',
    expected: refusedUnlessMixed,
  },
  { account: 'sha256', server: 'sha2', user: 'sha256', password: 'pass', login: shown, expected: unlessMixed },
  {
    account: 'sha256, wrong password',
    server: 'sha2',
    user: 'sha256',
    password: 'wrong',
    expected: refusedUnlessMixed,
  },
  { account: 'sha256, empty', server: 'sha2', user: 'none256', password: '', lacking: 'mysql2', expected: unlessMixed },
]

/** It has full authentication over TLS only, and says so. */
const overTls = { ...unlessMixed, 'plain -> plain': 1045, 'TLS -> plain': 1045 } as const

const engineRows: readonly Row[] = [
  {
    account: 'engine: caching_sha2, cached',
    server: 'engine',
    user: 'warm',
    password: 'pass',
    cached: true,
    expected: 'ok',
  },
  { account: 'engine: caching_sha2, not cached', server: 'engine', user: 'cold', password: 'pass', expected: overTls },
  {
    account: 'engine: caching_sha2, wrong password',
    server: 'engine',
    user: 'warm',
    password: 'wrong',
    expected: { ...overTls, 'TLS -> TLS': 1045 },
  },
  { account: 'engine: caching_sha2, empty', server: 'engine', user: 'none', password: '', expected: 'ok' },
  { account: 'engine: native', server: 'engine', user: 'native', password: 'pass', expected: 'ok' },
  { account: 'engine: native, wrong password', server: 'engine', user: 'native', password: 'wrong', expected: 1045 },
]

const of = <T extends string | number>(what: T | Readonly<Record<Way, T>>, way: Way): T =>
  typeof what === 'object' ? what[way] : what

/** The columns as the server `sha2` answers whatever it is asked; another server's `login` is not known. */
const question: Readonly<Record<Row['server'], string>> = {
  mariadb: `select substring_index(user(), '@', 1), database(),
    (select if(variable_value = '', 'no', 'yes') from information_schema.session_status where variable_name = 'Ssl_version')`,
  sha2: 'select 1',
  engine: `select substring_index(user(), '@', 1), database()`,
}

let authority: CertificateAuthority
const servers: Partial<Record<Row['server'], MariadbServer | MysqlSha2Server | MysqlEngine>> = {}
let cold = 0

/** The accounts `cold1`, `cold2` ...: nobody else fills the engine's cache with them. */
const coldAccounts = Array.from({ length: 48 }, (_, i) => ({ name: `cold${i + 1}`, password: 'pass' }))

async function startEngine(): Promise<void> {
  servers.engine = await mysqlEngine({
    databases: ['engine'],
    tls: authority.server({ name: 'localhost' }),
    users: [
      { name: 'warm', password: 'pass' },
      { name: 'none', password: '' },
      { name: 'native', password: 'pass', plugin: 'mysql_native_password' },
      ...coldAccounts,
    ],
  })
}

async function startMariadb(): Promise<void> {
  servers.mariadb = await mariadbServer({
    databases: ['mariadb'],
    tls: authority.server({ name: 'localhost' }),
    users: [
      { name: 'native', password: 'pass' },
      { name: 'none', password: '' },
      { name: 'ed', password: 'pass', plugin: 'ed25519' },
    ],
  })
}

async function startSha2(): Promise<void> {
  servers.sha2 = await mysqlSha2Server({
    tls: authority.server({ name: 'localhost' }),
    users: [
      { name: 'sha2', password: 'pass' },
      { name: 'none', password: '' },
      { name: 'sha256', password: 'pass', plugin: 'sha256_password' },
      { name: 'none256', password: '', plugin: 'sha256_password' },
    ],
  })
}

/** Sends a session to the server that its database names. */
const toServers = (backend: 'plain' | 'TLS'): ResolveFunction => {
  return ({ key }) => ({
    endpoint: servers[key as Row['server']]!.endpoint,
    tls: backend === 'TLS' ? { mode: 'negotiated', ca: authority.cert, serverName: 'localhost' } : 'off',
  })
}

async function openBoth(protocol: MysqlOptions): Promise<Record<'plain' | 'TLS', TestGateway>> {
  const certificates = [authority.server({ name: 'localhost' })]
  const [plain, secured] = await Promise.all(
    (['plain', 'TLS'] as const).map((backend) =>
      openGateway(toServers(backend), { protocol, listener: { tls: tls({ mode: 'negotiated', certificates }) } }),
    ),
  )
  return { plain: plain!, TLS: secured! }
}

/** One login by one client, through a gateway or, with `direct`, past it. */
async function attempt(row: Row, way: Way, client: Client, port: number): Promise<Outcome> {
  const [client_, backend] = way.split(' -> ')
  const server = servers[row.server]!
  const direct = port === server.port
  const login: Login = {
    port,
    user: row.user === 'cold' ? `cold${++cold}` : row.user,
    password: row.password,
    database: row.server,
    tls: (direct ? backend : client_) === 'TLS',
  }
  if ('flush' in server) server.flush()
  if (row.cached === true)
    expect(await clients.mysql2({ ...login, port: server.port, tls: true }, 'select 1')).toHaveProperty('row')
  return clients[client](login, question[row.server])
}

function suite(name: string, rows: readonly Row[], protocol: MysqlOptions, bridged: boolean): void {
  describe(name, () => {
    let gateways: Record<'plain' | 'TLS', TestGateway>
    const table = new Table(name, ways)

    beforeAll(async () => {
      gateways = await openBoth(protocol)
    })

    afterAll(async () => {
      await Promise.all(Object.values(gateways).map((gateway) => gateway[Symbol.asyncDispose]()))
      table.print()
    })

    const cases = rows.flatMap((row) => ways.map((way) => ({ row, way, account: row.account })))
    test.each(cases)('$account, $way', async ({ row, way }) => {
      const { port } = gateways[way.endsWith('TLS') ? 'TLS' : 'plain']
      for (const client of Object.keys(clients) as Client[]) {
        if (client === row.lacking) continue
        const outcome = await attempt(row, way, client, port)
        table.add(row.lacking === undefined ? row.account : `${row.account} (not ${row.lacking})`, way, client, outcome)
        await judge(row, way, client, outcome, bridged)
      }
    })
  })
}

/** No two logins have the same cold account. */
const withoutNumbers = ({ code, message }: Outcome) => ({ code, message: message?.replace(/cold\d+/, 'cold') })

async function judge(row: Row, way: Way, client: Client, outcome: Outcome, bridged: boolean): Promise<void> {
  const expected = of(row.expected, way)
  if (expected === 'bridge' && !bridged) {
    expect(outcome, client).toMatchObject({ code: 1251, message: expect.stringContaining('TLS') as string })
  } else if (expected === 1045 || row.password === 'wrong' || row.user === 'nobody') {
    // Word by word what the server says to this client itself.
    const server = await attempt(row, way, client, servers[row.server]!.port)
    expect(withoutNumbers(outcome), client).toEqual(withoutNumbers(server))
    expect(outcome, client).toMatchObject({ code: 1045 })
  } else {
    const [user, database, secured, login] = outcome.row ?? []
    expect({ client, ...outcome, user, database }).toMatchObject({ database: row.server })
    expect(String(user)).toContain(row.user)
    if (secured !== undefined) expect(secured, client).toBe(way.endsWith('TLS') ? 'yes' : 'no')
    if (row.login !== undefined) expect(login, client).toBe(of(row.login, way))
  }
}

describeNeeding(['mariadbd', 'mariadb', 'openssl'], 'authentication', () => {
  beforeAll(async () => {
    authority = certificateAuthority()
    await Promise.all([startMariadb(), startSha2()])
  })

  afterAll(async () => {
    await Promise.all([servers.mariadb?.stop(), servers.sha2?.stop()])
    authority.dispose()
  })

  suite('client -> backend', [...mariadbRows, ...sha2Rows], {}, false)
  suite('client -> backend, passwordBridge rsa', sha2Rows, { passwordBridge: 'rsa' }, true)

  describeNeeding(['go'], 'with an engine of another make', () => {
    beforeAll(startEngine, 500_000)
    afterAll(() => servers.engine?.stop())

    suite('client -> backend, another engine', engineRows, {}, false)
  })
})
