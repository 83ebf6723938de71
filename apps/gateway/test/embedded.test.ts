import { chmodSync, readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { describeNeeding, findFreePort, type Launched, run, temporaryDirectory } from '@proxy/test-servers'
import { MongoClient } from 'mongodb'
import { createTransport } from 'nodemailer'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { anyPorts, startGateway, statsOf } from './gateway-process.ts'

const names = ['HTTP', 'TCP_POSTGRES', 'TCP_MYSQL', 'TCP_MONGODB', 'SMTP', 'ADMIN'] as const
type Ports = Readonly<Record<(typeof names)[number], number>>

describe.each([1, 2])('the embedded default with %i workers', (workers) => {
  let gateway: Launched
  let ports: Ports
  let scratch: string

  beforeAll(async () => {
    const found = await Promise.all(names.map(async (name) => [name, await findFreePort()] as const))
    ports = Object.fromEntries(found) as Ports
    scratch = scratchDirectory()
    const env = Object.fromEntries(found.map(([name, port]) => [`${name}_PORT`, `${port}`]))
    gateway = await startGateway({ args: ['--workers', `${workers}`], env: { ...env, TMPDIR: scratch } })
  })

  afterAll(() => gateway.stop())

  const curl = async (host: string): Promise<string> => {
    const format = '\n%{http_code} %{content_type}'
    const { stdout } = await run('curl', ['-s', '-w', format, '-H', `Host: ${host}`, `127.0.0.1:${ports.HTTP}/p`])
    return stdout
  }

  const psql = (database: string) =>
    run('psql', [
      `postgres://demo:demo@127.0.0.1:${ports.TCP_POSTGRES}/${database}`,
      '-Atc',
      'select current_database()',
    ])

  it('prints what listens, whom it serves and what to try', () => {
    for (const port of Object.values(ports)) expect(gateway.stdout).toContain(`127.0.0.1:${port}`)
    expect(gateway.stdout).toContain(`curl -H 'Host: alpha.localhost' http://127.0.0.1:${ports.HTTP}/`)
    expect(gateway.stdout).toContain(`psql postgres://demo:demo@127.0.0.1:${ports.TCP_POSTGRES}/beta`)
    expect(gateway.stdout).toContain(`curl http://127.0.0.1:${ports.ADMIN}/mail`)
  })

  it('tells the tenants of HTTP apart', async () => {
    expect(await curl('alpha.localhost')).toMatch(/^Hello from alpha\. You asked for \/p\n\n200 text\/plain/)
    expect(await curl('beta.localhost')).toMatch(/^Hello from beta\. /)
    expect(await curl('gamma.localhost')).toMatch(/"hint":"Try alpha.*\n\n404 application\/problem\+json$/)
  })

  describeNeeding(['psql'], 'with psql', () => {
    it('starts PostgreSQL at the first connection, once, and tells its tenants apart', async () => {
      const answers = await Promise.all([psql('alpha'), psql('beta'), psql('alpha'), psql('beta')])
      expect(answers.map(({ stdout, stderr }) => stdout + stderr)).toEqual(['alpha\n', 'beta\n', 'alpha\n', 'beta\n'])
    })

    it('refuses an unknown database with a hint', async () => {
      const { code, stderr } = await psql('gamma')
      expect(code).toBe(2)
      expect(stderr).toMatch(/FATAL: {2}no such tenant\nHINT: {2}Try alpha or beta\./)
    })

    it('starts it again after it was lost', async () => {
      await psql('alpha')
      const data = readdirSync(scratch).filter((name) => name.startsWith('gateway-postgres-'))
      expect(data).toHaveLength(1)
      await run('sh', ['-c', `kill -QUIT $(head -1 ${scratch}/${data[0]}/data/postmaster.pid)`])
      await gateway.waitFor(/PostgreSQL has ended/)
      expect((await psql('beta')).stdout).toBe('beta\n')
    })
  })

  describeNeeding(['mariadbd', 'mariadb'], 'with mariadb', () => {
    const mariadb = (database: string) => {
      const address = ['--no-defaults', '-h', '127.0.0.1', '-P', `${ports.TCP_MYSQL}`, '-u', 'demo', '-pdemo']
      return run('mariadb', [...address, '--skip-ssl', '-BN', database, '-e', 'select message from greeting'])
    }

    it('starts MariaDB at the first connection, once, and tells its tenants apart', async () => {
      expect(gateway.stdout).toContain(`mariadb -h 127.0.0.1 -P ${ports.TCP_MYSQL} -u demo -pdemo --skip-ssl beta`)
      const answers = await Promise.all([mariadb('alpha'), mariadb('beta'), mariadb('alpha')])
      const [alpha, beta] = ['Hello from alpha.\n', 'Hello from beta.\n']
      expect(answers.map(({ stdout, stderr }) => stdout + stderr)).toEqual([alpha, beta, alpha])
    })

    it('refuses an unknown database as MySQL does', async () => {
      const { code, stderr } = await mariadb('gamma')
      expect(code).toBe(1)
      expect(stderr).toMatch(/^ERROR 1049 \(42000\): /)
    })
  })

  describeNeeding(['ferretdb'], 'with a MongoDB driver', () => {
    const greeting = async (database: string): Promise<unknown> => {
      const url = `mongodb://demo:demo@127.0.0.1:${ports.TCP_MONGODB}/${database}`
      const client = new MongoClient(url, { serverSelectionTimeoutMS: 20_000 })
      try {
        return (await client.db().collection('greeting').findOne())?.['message']
      } finally {
        await client.close()
      }
    }

    it('starts FerretDB at the first connection, once, and tells its tenants apart', async () => {
      expect(gateway.stdout).toContain(`mongosh --quiet mongodb://demo:demo@127.0.0.1:${ports.TCP_MONGODB}/beta`)
      const answers = await Promise.all([greeting('alpha'), greeting('beta'), greeting('alpha')])
      expect(answers).toEqual(['Hello from alpha.', 'Hello from beta.', 'Hello from alpha.'])
    })

    it('refuses an unknown database with an error document', async () => {
      await expect(greeting('gamma')).rejects.toMatchObject({
        name: 'MongoServerError',
        ok: 0,
        code: expect.any(Number),
      })
    })
  })

  it('takes mail for its tenants, and shows it', async () => {
    const transport = createTransport({ host: '127.0.0.1', port: ports.SMTP })
    const send = (tenant: string) =>
      transport.sendMail({
        from: 'me@example.com',
        to: `you@${tenant}.localhost`,
        subject: `for ${tenant}`,
        text: 'hi',
      })
    await send('alpha')
    await send('beta')
    await expect(send('gamma')).rejects.toThrow(/550 5\.1\.2 /)
    const response = await fetch(`http://127.0.0.1:${ports.ADMIN}/mail`)
    const { messages } = (await response.json()) as { messages: { tenant: string; subject: string }[] }
    expect(messages.map(({ tenant, subject }) => [tenant, subject])).toEqual([
      ['beta', 'for beta'],
      ['alpha', 'for alpha'],
    ])
  })

  it('takes mail by the line that it prints', async () => {
    const line = /echo .* curl .*@alpha.*/.exec(gateway.stdout)?.[0] ?? ''
    expect(await run('sh', ['-c', line])).toMatchObject({ code: 0, stderr: '' })
    const page = await fetch(`http://127.0.0.1:${ports.ADMIN}/mail`, { headers: { accept: 'text/html' } })
    expect(await page.text()).toContain('me@example.com to you@alpha.localhost')
  })

  it('counts all workers together', async () => {
    const before = await statsOf(ports.ADMIN)
    expect(before.workers).toHaveLength(workers)
    await Promise.all(Array.from({ length: 10 }, () => curl('alpha.localhost')))
    const accepted = (stats: typeof before): number => stats.listeners.find(({ name }) => name === 'http')!.accepted
    expect(accepted(await statsOf(ports.ADMIN)) - accepted(before)).toBe(10)
  })

  it('is ready', async () => {
    expect((await fetch(`http://127.0.0.1:${ports.ADMIN}/readyz`)).status).toBe(200)
  })

  it('drains at SIGTERM, exits with 0 and leaves nothing behind', async () => {
    expect(await gateway.stop('SIGTERM')).toEqual({ code: 0, signal: null })
    expect(readdirSync(scratch)).toEqual([])
    expect(gateway.stderr).toBe('')
  })
})

describe('the embedded default', () => {
  it('lets every backend sleep at first and after a while, keeps its data, and wakes it again', async () => {
    const ports = { HTTP_PORT: await findFreePort(), SMTP_PORT: await findFreePort(), ADMIN_PORT: await findFreePort() }
    const postgres = await findFreePort()
    const scratch = scratchDirectory()
    const numbers = { ...ports, TCP_POSTGRES_PORT: postgres, IDLE_AFTER_MS: 200 }
    const given = Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, `${value}`]))
    const gateway = await startGateway({ args: ['--workers', '2'], env: { ...anyPorts, ...given, TMPDIR: scratch } })
    const query = async (text: string): Promise<unknown> => {
      const client = new pg.Client(`postgres://demo:demo@127.0.0.1:${postgres}/alpha`)
      await client.connect()
      try {
        return (await client.query<Record<string, unknown>>(text)).rows[0]
      } finally {
        await client.end()
      }
    }
    const states = async (): Promise<Record<string, string>> => {
      const { resolver } = (await statsOf(ports.ADMIN_PORT)) as unknown as {
        resolver: { backends: { backend: string; state: string }[] }
      }
      return Object.fromEntries(resolver.backends.map(({ backend, state }) => [backend, state]))
    }
    const asleep = (name: string): Promise<void> =>
      vi.waitFor(async () => expect((await states())[name]).toBe('asleep'), { timeout: 30_000 })
    const mail = { from: 'me@example.com', to: 'you@alpha.localhost', subject: 'hi', text: 'hi' }
    const used: Record<string, () => Promise<unknown>> = {
      'http-alpha': () => run('curl', ['-sf', '-H', 'Host: alpha.localhost', `127.0.0.1:${ports.HTTP_PORT}/`]),
      'smtp-alpha': () => createTransport({ host: '127.0.0.1', port: ports.SMTP_PORT }).sendMail(mail),
      postgres: () => query('create table if not exists kept as select 7 as n'),
    }
    try {
      expect(Object.values(await states()).every((state) => state === 'asleep')).toBe(true)
      const cycle = async ([name, use]: [string, () => Promise<unknown>]): Promise<void> => {
        await use()
        await asleep(name)
      }
      await Promise.all(Object.entries(used).map(cycle))
      await Promise.all(Object.entries(used).map(cycle))
      expect(await query('select n from kept')).toEqual({ n: 7 })
    } finally {
      await gateway.stop()
    }
    expect(readdirSync(scratch)).toEqual([])
  })

  it('ends at once at a second signal, and leaves nothing behind', async () => {
    const [port, postgres] = [await findFreePort(), await findFreePort()]
    const scratch = scratchDirectory()
    const env = { ...anyPorts, HTTP_PORT: `${port}`, TCP_POSTGRES_PORT: `${postgres}`, TMPDIR: scratch }
    const gateway = await startGateway({ args: ['--workers', '1'], env })
    const client = new pg.Client(`postgres://demo:demo@127.0.0.1:${postgres}/alpha`)
    client.on('error', () => undefined)
    await client.connect()
    expect(readdirSync(scratch)).toHaveLength(1)
    using _request = await endlessRequest(port)
    gateway.signal('SIGINT')
    await gateway.waitFor(/draining/)
    // One Ctrl-C arrives twice under npm: a signal at once is no second one. So it is sent until it is.
    const repeat = setInterval(() => gateway.signal('SIGINT'), 50)
    expect(await gateway.exited).toEqual({ code: 1, signal: null })
    clearInterval(repeat)
    expect(readdirSync(scratch)).toEqual([])
  })
})

/** For the temporary files of one gateway alone. Its servers run under another account. */
function scratchDirectory(): string {
  const directory = temporaryDirectory('embedded')
  chmodSync(directory, 0o755)
  return directory
}

/** A request whose body never ends, so that no drain can finish it. */
async function endlessRequest(port: number): Promise<Disposable> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined)
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.write('POST / HTTP/1.1\r\nHost: alpha.localhost\r\nContent-Length: 1000\r\n\r\nbegin')
  return { [Symbol.dispose]: () => void socket.destroy() }
}
