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
import { type Client, engineRows, mariadbRows, type Row, sha2Rows, type Way, ways } from './authentication-rows.ts'
import { clients, type Login, type Outcome } from './clients.ts'
import type { MysqlOptions } from '../src/index.ts'
import { openGateway, type TestGateway } from './setup.ts'
import { Table } from './table.ts'

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
  const [here, there] = way.split(' -> ')
  const server = servers[row.server]!
  const past = port === server.port
  const login: Login = {
    port,
    user: row.user === 'cold' ? `cold${++cold}` : row.user,
    password: row.password,
    database: row.server,
    tls: (past ? there : here) === 'TLS',
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

const direct = new Map<string, Promise<Outcome>>()

/** What the server says itself, which does not depend on the client's way to the gateway. */
function directly(row: Row, way: Way, client: Client): Promise<Outcome> {
  const name = `${row.account} ${way.split(' -> ')[1]} ${client}`
  const known = direct.get(name) ?? attempt(row, way, client, servers[row.server]!.port)
  direct.set(name, known)
  return known
}

/** No two logins have the same cold account. */
const withoutNumbers = ({ code, message }: Outcome) => ({ code, message: message?.replace(/cold\d+/, 'cold') })

async function judge(row: Row, way: Way, client: Client, outcome: Outcome, bridged: boolean): Promise<void> {
  const expected = of(row.expected, way)
  if (expected === 'bridge' && !bridged) {
    expect(outcome, client).toMatchObject({ code: 1251, message: expect.stringContaining('TLS') as string })
  } else if (expected === 1045 || row.password === 'wrong' || row.user === 'nobody') {
    // Word by word what the server says to this client itself.
    const server = await directly(row, way, client)
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

  describeNeeding(['mysql-engine'], 'with an engine of another make', () => {
    beforeAll(startEngine)
    afterAll(() => servers.engine?.stop())

    suite('client -> backend, another engine', engineRows, {}, false)
  })
})
