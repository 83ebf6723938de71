// `npm start` as a newcomer sees it, on the default ports: routes HTTP and PostgreSQL by tenant, and a signal ends it cleanly.
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { root } from './workspace.ts'

const run = promisify(execFile)
const installAndBuildMs = 10 * 60_000
const drainMs = 60_000

/** The clean end that a newcomer's machine has no `psql`, as told apart from a `psql` that fails. */
const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'

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

const query = (database: string): Promise<{ stdout: string }> => {
  const url = `postgres://demo:demo@127.0.0.1:15432/${database}`
  return run('psql', ['-X', '-A', '-t', url, '-c', 'select current_database()'], {
    env: { ...process.env, PGCONNECT_TIMEOUT: '60' },
  })
}

/** Starts it in a session of its own, so that whatever it leaves behind can be found; resolves when it says what to paste. */
async function start(): Promise<ChildProcess> {
  const child = spawn('npm', ['start'], { cwd: root, detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => reject(new Error(`not ready in time:\n${output}`)), installAndBuildMs)
  child.once('exit', (code) => reject(new Error(`it ended with ${code} before it was ready`)))
  child.stdout?.on('data', (chunk: Buffer) => {
    process.stdout.write(chunk)
    output += chunk.toString()
    if (/curl .*8080/.test(output) && /psql .*15432/.test(output)) resolve()
  })
  try {
    await promise
  } catch (error) {
    killGroup(child)
    throw error
  } finally {
    clearTimeout(timer)
  }
  return child
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

async function answers(): Promise<void> {
  await check('curl: alpha answers', async () => assert.match(await ask('alpha.localhost'), /alpha[^]*\n200 /))
  await check('curl: beta answers', async () => assert.match(await ask('beta.localhost'), /beta[^]*\n200 /))
  await check('curl: an unknown host gets a problem', async () =>
    assert.match(await ask('nobody.localhost'), /\n404 application\/problem\+json/),
  )
  for (const database of ['alpha', 'beta']) {
    await check(`psql: ${database} answers`, async () => assert.equal((await query(database)).stdout.trim(), database))
  }
  await check('psql: an unknown database gets a hint', () =>
    query('nobody').then(
      () => assert.fail('it was let in'),
      (error: NodeJS.ErrnoException & { stderr?: string }) => {
        if (isMissing(error)) throw error
        assert.match(error.stderr ?? '', /FATAL:[^]*HINT:/)
      },
    ),
  )
  for (const path of ['healthz', 'readyz', 'metrics', 'stats']) {
    await check(`admin: /${path}`, async () => assert.match(await ask('localhost', `127.0.0.1:9901/${path}`), /\n200 /))
  }
}

async function round(signal: NodeJS.Signals): Promise<void> {
  let child: ChildProcess | undefined
  await check('npm start gets ready', async () => (child = await start()))
  if (child === undefined) return
  const running = child
  await answers()
  await check(`${signal} drains and ends it with 0`, () => stop(running, signal))
  if (process.platform === 'linux') {
    await check('nothing is left running', async () => assert.deepEqual(left(running.pid!), []))
  }
}

await round('SIGTERM')
await round('SIGINT')
process.exitCode = failed === 0 ? 0 : 1
