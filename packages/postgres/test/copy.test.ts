import { spawn } from 'node:child_process'
import { createHash, type Hash } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describeNeeding, type PostgresServer, postgresServer, programEnv } from '@proxy/test-servers'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { at, openGateway, psql, type TestGateway, to } from './setup.ts'

/** Megabytes each way: `PROXY_TEST_COPY_MB=200` for the long run. */
const megabytes = Number(process.env['PROXY_TEST_COPY_MB'] ?? 50)
const lineBytes = 1024
const lines = megabytes * 1024

let server: PostgresServer
let gateway: TestGateway

describeNeeding(['psql'], `COPY of ${megabytes} MB`, () => {
  beforeAll(async () => {
    server = await postgresServer({ databases: ['alpha'], settings: { max_wal_size: '4GB' } })
    gateway = await openGateway(to(server))
    const sql = 'create unlogged table t(n int, x text)'
    expect(await psql(at(gateway.port, 'dbname=alpha'), sql)).toMatchObject({ code: 0 })
  })

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await server.stop()
  })

  test('there and back again, with equal checksums', { timeout: 300_000 }, async () => {
    const [sent, received] = [createHash('sha256'), createHash('sha256')]
    await copy('copy t from stdin', Readable.from(rows(sent)), undefined)
    await copy('copy t to stdout', Readable.from([]), received)
    expect(received.digest('hex')).toBe(sent.digest('hex'))
  })

  test('a reader that is slow holds the backend, not the memory', { timeout: 300_000 }, async () => {
    const child = startPsql('copy t to stdout')
    child.stdout.pause()
    const before = process.memoryUsage().rss
    await untilStalled()
    expect(process.memoryUsage().rss - before).toBeLessThan((megabytes / 2) * 2 ** 20)
    child.stdout.destroy()
    child.kill()
  })
})

/** Rows of which no two are alike, in the form in which COPY writes them. */
function* rows(hash: Hash): Generator<Buffer> {
  for (let from = 0; from < lines; from += 64) {
    let text = ''
    for (let n = from; n < from + 64; n++) {
      const head = `${n}\t${Math.imul(n, 2654435761) >>> 0}`
      text += `${head.padEnd(lineBytes - 1, 'x')}\n`
    }
    const chunk = Buffer.from(text, 'latin1')
    hash.update(chunk)
    yield chunk
  }
}

function startPsql(sql: string) {
  return spawn('psql', ['-XAt', '-d', at(gateway.port, 'dbname=alpha'), '-c', sql], {
    env: { ...programEnv, PGPASSWORD: 'demo' },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
}

async function copy(sql: string, input: Readable, hash: Hash | undefined): Promise<void> {
  const child = startPsql(sql)
  const exited = new Promise((resolve) => child.once('close', resolve))
  const reading = hash === undefined ? child.stdout.resume() : pipeline(child.stdout, hash)
  await pipeline(input, child.stdin)
  await reading
  expect(await exited).toBe(0)
}

/** Settles when the backend waits for its client: it asks the server, which knows. */
async function untilStalled(): Promise<void> {
  const client = new pg.Client(server.url('alpha', { user: { name: 'postgres', password: 'postgres' } }))
  await client.connect()
  const sql = `select 1 from pg_stat_activity where wait_event = 'ClientWrite' and query like 'copy t to%'`
  for (let seen = 0; seen < 50; ) seen = (await client.query(sql)).rowCount === 1 ? seen + 1 : 0
  await client.end()
}
