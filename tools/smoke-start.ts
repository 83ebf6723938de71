// `npm start` as a newcomer sees it, on the default ports: routes every protocol by tenant, and a signal ends it cleanly.
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { root } from './workspace.ts'

const run = promisify(execFile)
const installAndBuildMs = 10 * 60_000
const drainMs = 60_000
/** Short, so that what sleeps when nobody uses it can be seen to. */
const idleMs = 2_000
const sleepMs = 30_000

/** The clean end that a newcomer's machine has no `psql`, as told apart from a `psql` that fails. */
const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'

type Client = (tenant: string) => Promise<{ stdout: string }>

let failed = 0

async function check(name: string, body: () => Promise<unknown>): Promise<void> {
  try {
    await body()
    console.log(`ok      ${name}`)
  } catch (error) {
    if (isMissing(error)) return console.log(`skipped ${name}: ${(error as Error).message}`)
    failed++
    console.log(`FAILED  ${name}: ${(error as Error).message}`)
  }
}

async function ask(host: string, address = '127.0.0.1:8080/'): Promise<string> {
  const { stdout } = await run('curl', [
    '-sS',
    '-m',
    '20',
    '-w',
    '\n%{http_code} %{content_type}',
    '-H',
    `Host: ${host}`,
    address,
  ])
  return stdout
}

const psql: Client = (database) => sql(database, 'select current_database()')

function sql(database: string, statement: string): Promise<{ stdout: string }> {
  const url = `postgres://demo:demo@127.0.0.1:15432/${database}`
  const env = { ...process.env, PGCONNECT_TIMEOUT: '60' }
  return run('psql', ['-X', '-A', '-t', url, '-c', statement], { env })
}

const mariadb: Client = (database) => {
  const at = ['-h', '127.0.0.1', '-P', '13306', '-u', 'demo', '-pdemo', '--skip-ssl']
  return run('mariadb', ['--no-defaults', ...at, '-B', '-N', database, '-e', 'select message from greeting'])
}

const mongosh: Client = (database) => {
  const url = `mongodb://demo:demo@127.0.0.1:27018/${database}`
  const program = `${root}packages/mongodb/node_modules/.bin/mongosh`
  return run(program, ['--quiet', '--norc', url, '--eval', 'db.greeting.findOne().message'])
}

async function send(tenant: string): Promise<void> {
  const envelope = ['--mail-from', 'me@example.com', '--mail-rcpt', `you@${tenant}.localhost`]
  const sent = run('curl', ['-sSv', '-m', '20', '--crlf', 'smtp://127.0.0.1:8025', ...envelope, '-T', '-'])
  sent.child.stdin?.end(`Subject: for ${tenant}\n`)
  await sent
}

interface Running {
  readonly child: ChildProcess
  /** The table. */
  readonly output: string
}

/** Starts it in a session of its own, so that whatever it leaves behind can be found; resolves when it says what to paste. */
async function start(): Promise<Running> {
  const env = { ...process.env, IDLE_AFTER_MS: String(idleMs) }
  const child = spawn('npm', ['start'], { cwd: root, env, detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => reject(new Error(`not ready in time:\n${output}`)), installAndBuildMs)
  child.once('exit', (code) => reject(new Error(`it ended with ${code} before it was ready`)))
  child.stdout?.on('data', (chunk: Buffer) => {
    process.stdout.write(chunk)
    output += chunk.toString()
    if (/curl .*9901\/mail\n/.test(output)) resolve()
  })
  try {
    await promise
  } catch (error) {
    killGroup(child)
    throw error
  } finally {
    clearTimeout(timer)
  }
  return { child, output }
}

function killGroup(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, 'SIGKILL')
  } catch {
    // It is gone already.
  }
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal)
  const timer = setTimeout(() => killGroup(child), drainMs)
  const [code, by] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  clearTimeout(timer)
  assert.deepEqual({ code, by }, { code: 0, by: null })
}

/** The processes of a session, from Linux's /proc. */
function left(session: number): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const [, command, rest] = /\((.*)\) (.*)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
        return Number(rest?.split(' ')[3]) === session ? [`${pid} ${command}`] : []
      } catch {
        return []
      }
    })
}

async function answers(table: string): Promise<void> {
  await check('curl: alpha answers', async () => assert.match(await ask('alpha.localhost'), /alpha[^]*\n200 /))
  await check('curl: beta answers', async () => assert.match(await ask('beta.localhost'), /beta[^]*\n200 /))
  await check('curl: an unknown host gets a problem', async () =>
    assert.match(await ask('nobody.localhost'), /\n404 application\/problem\+json/),
  )
  await database('PostgreSQL', table, 'psql', psql, /FATAL:[^]*HINT:/)
  await database('MySQL', table, 'mariadb', mariadb, /ERROR 1049 \(42000\)/)
  await database('MongoDB', table, 'mongosh', mongosh, /MongoServerError/)
  await mail()
  for (const path of ['healthz', 'readyz', 'metrics', 'stats']) {
    await check(`admin: /${path}`, async () => assert.match(await ask('localhost', `127.0.0.1:9901/${path}`), /\n200 /))
  }
}

/** The tenants give different data, and an unknown one gives the protocol's own error, as its client prints it. */
async function database(title: string, table: string, name: string, client: Client, refusal: RegExp): Promise<void> {
  const [missing] = new RegExp(`${title} +not installed.*`).exec(table) ?? []
  if (missing !== undefined) return console.log(`skipped ${name}: ${missing}`)
  for (const tenant of ['alpha', 'beta']) {
    await check(`${name}: ${tenant} answers`, async () => assert.ok((await client(tenant)).stdout.includes(tenant)))
  }
  await check(`${name}: an unknown database gets the protocol's error`, () => refused(client('nobody'), refusal))
}

async function mail(): Promise<void> {
  for (const tenant of ['alpha', 'beta']) {
    await check(`curl smtp: ${tenant} takes mail, and shows it`, async () => {
      await send(tenant)
      assert.ok((await ask('localhost', '127.0.0.1:9901/mail')).includes(`for ${tenant}`))
    })
  }
  await check('curl smtp: an unknown domain is refused', () => refused(send('nobody'), /550 5\.1\.2 /))
}

/** Names of the backends that are not asleep. */
async function awake(): Promise<string[]> {
  const stats = (await (await fetch('http://127.0.0.1:9901/stats')).json()) as {
    resolver: { backends: { backend: string; state: string }[] }
  }
  return stats.resolver.backends.filter(({ state }) => state !== 'asleep').map(({ backend }) => backend)
}

async function untilAsleep(): Promise<void> {
  const deadline = Date.now() + sleepMs
  for (let left = await awake(); left.length > 0; left = await awake()) {
    assert.ok(Date.now() < deadline, `still awake: ${left.join(', ')}`)
    await sleep(200)
  }
}

/** What a backend keeps while it sleeps is there when it wakes. */
async function sleeps(table: string): Promise<void> {
  await check('every backend sleeps again', untilAsleep)
  await check('curl: alpha wakes', async () => assert.match(await ask('alpha.localhost'), /alpha[^]*\n200 /))
  if (/PostgreSQL +not installed/.test(table)) return
  await check('psql: alpha keeps a table', () => sql('alpha', 'create table kept as select 7 as n'))
  await check('PostgreSQL sleeps', untilAsleep)
  await check('psql: alpha wakes with its table', async () =>
    assert.equal((await sql('alpha', 'select n from kept')).stdout.trim(), '7'),
  )
}

async function refused(attempt: Promise<unknown>, expected: RegExp): Promise<void> {
  let output: string
  try {
    await attempt
    output = 'it was let in'
  } catch (error) {
    if (isMissing(error)) throw error
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    output = stdout + stderr
  }
  assert.match(output, expected)
}

async function round(signal: NodeJS.Signals): Promise<void> {
  let running: Running | undefined
  await check('npm start gets ready', async () => (running = await start()))
  if (running === undefined) return
  const { child, output } = running
  await check('every backend sleeps at first', async () => assert.deepEqual(await awake(), []))
  await answers(output)
  await sleeps(output)
  await check(`${signal} drains and ends it with 0`, () => stop(child, signal))
  if (process.platform === 'linux') {
    await check('nothing is left running', async () => assert.deepEqual(left(child.pid!), []))
  }
}

await round('SIGTERM')
await round('SIGINT')
process.exitCode = failed === 0 ? 0 : 1
