import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { dirname, join } from 'node:path'
import {
  type CertificateAuthority,
  certificateAuthority,
  hasProgram,
  launch,
  type PostgresServer,
  postgresBinaries,
  postgresServer,
  programEnv,
} from '@proxy/test-servers'
import { tls } from '@proxy/tls'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeStartup } from '../src/startup-message.ts'
import { at, openGateway, psql, type TestGateway, to } from './setup.ts'

/** The newest libpq comes with the embedded server; Debian's psql runs on top of it. */
const env = { LD_LIBRARY_PATH: join(dirname(dirname((await postgresBinaries()).postgres)), 'lib') }

/** Only a libpq that knows the option complains about its value. */
function isLibpq18(): boolean {
  if (!hasProgram('psql') || !hasProgram('openssl')) return false
  const args = ['-d', 'max_protocol_version=none', '-c', '']
  const { stderr } = spawnSync('psql', args, { env: { ...programEnv, ...env }, encoding: 'utf8' })
  return stderr.includes('max_protocol_version')
}

let server: PostgresServer
let gateway: TestGateway
let authority: CertificateAuthority

describe.skipIf(!isLibpq18())(
  'psql on libpq 18 (needs psql and openssl: run tools/install-test-servers.sh as root)',
  () => {
    beforeAll(async () => {
      authority = certificateAuthority()
      server = await postgresServer({ databases: ['alpha'] })
      const certificates = [authority.server({ name: 'localhost' })]
      gateway = await openGateway(to(server), { listener: { tls: tls({ mode: 'negotiated', certificates }) } })
    })

    afterAll(async () => {
      await gateway[Symbol.asyncDispose]()
      await server.stop()
      authority.dispose()
    })

    test('sslnegotiation=direct', async () => {
      const connection = `host=localhost hostaddr=127.0.0.1 port=${gateway.port} user=demo dbname=alpha`
      const direct = `${connection} sslmode=verify-full sslnegotiation=direct sslrootcert=${authority.certFile}`
      expect(await psql(direct, 'select 1', { env })).toMatchObject({ code: 0, stdout: '1\n' })
    })

    test.each(['disable', 'require'])('protocol 3.2, and Ctrl-C with its long keys (sslmode=%s)', async (sslmode) => {
      const connection = at(gateway.port, `dbname=alpha min_protocol_version=3.2 sslmode=${sslmode}`)
      const sql = ['-c', 'select pg_backend_pid()', '-c', 'select pg_sleep(60)']
      const child = launch('psql', ['-XAt', '-d', connection, ...sql], { env: { ...env, PGPASSWORD: 'demo' } })
      const [pid] = await child.waitFor(/\d+/)
      await untilSleeping(Number(pid))
      child.signal('SIGINT')
      await child.exited
      expect(child.stderr).toContain('canceling statement due to user request')
    })
  },
)

async function untilSleeping(pid: number): Promise<void> {
  const client = new pg.Client(server.url('alpha'))
  await client.connect()
  const sql = `select 1 from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'`
  while ((await client.query(sql, [pid])).rowCount === 0);
  await client.end()
}

test('a version and an extension that nobody knows are negotiated by the server, once', async () => {
  const backend = await postgresServer({ databases: ['alpha'] })
  await using relayed = await openGateway(to(backend))
  const packet = encodeStartup((3 << 16) + 9999, [
    ['user', 'demo'],
    ['database', 'alpha'],
    ['_pq_.not_yet', '1'],
  ])
  const [direct, through] = await Promise.all([backend.port, relayed.port].map((port) => answerTo(port, packet)))
  expect(through!.subarray(0, 1).toString()).toBe('v')
  expect(through).toEqual(direct)
  await backend.stop()
})

/** Everything up to the request for a password. */
async function answerTo(port: number, packet: Buffer): Promise<Buffer> {
  const socket = net.connect(port, '127.0.0.1')
  let answer = Buffer.alloc(0)
  socket.write(packet)
  while (!answer.includes('SCRAM-SHA-256\0\0')) {
    const [bytes] = (await once(socket, 'data')) as [Buffer]
    answer = Buffer.concat([answer, bytes])
  }
  socket.destroy()
  return answer
}
