import { existsSync, readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { describeNeeding, findFreePort, type Launched, run } from '@proxy/test-servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startGateway, statsOf } from './gateway-process.ts'

describe.each([1, 2])('the embedded default with %i workers', (workers) => {
  let gateway: Launched
  let ports: { http: number; postgres: number; admin: number }

  beforeAll(async () => {
    ports = { http: await findFreePort(), postgres: await findFreePort(), admin: await findFreePort() }
    const env = { HTTP_PORT: `${ports.http}`, TCP_POSTGRES_PORT: `${ports.postgres}`, ADMIN_PORT: `${ports.admin}` }
    gateway = await startGateway({ args: ['--workers', `${workers}`], env })
  })

  afterAll(() => gateway.stop())

  const curl = async (host: string): Promise<string> =>
    (
      await run('curl', [
        '-s',
        '-w',
        '\n%{http_code} %{content_type}',
        '-H',
        `Host: ${host}`,
        `127.0.0.1:${ports.http}/p`,
      ])
    ).stdout

  const psql = (database: string) =>
    run('psql', [`postgres://demo:demo@127.0.0.1:${ports.postgres}/${database}`, '-Atc', 'select current_database()'])

  it('prints what listens, whom it serves and what to try', () => {
    expect(gateway.stdout).toContain(`127.0.0.1:${ports.http}`)
    expect(gateway.stdout).toContain(`curl -H 'Host: alpha.localhost' http://127.0.0.1:${ports.http}/`)
    expect(gateway.stdout).toContain(`psql postgres://demo:demo@127.0.0.1:${ports.postgres}/beta`)
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
      const data = dataDirectories()
      expect(data).toHaveLength(1)
      await run('sh', ['-c', `kill -QUIT $(head -1 ${tmpdir()}/${data[0]}/data/postmaster.pid)`])
      await gateway.waitFor(/PostgreSQL has ended/)
      expect((await psql('beta')).stdout).toBe('beta\n')
    })
  })

  it('counts all workers together', async () => {
    const before = await statsOf(ports.admin)
    expect(before.workers).toHaveLength(workers)
    await Promise.all(Array.from({ length: 10 }, () => curl('alpha.localhost')))
    const accepted = (stats: typeof before): number => stats.listeners.find(({ name }) => name === 'http')!.accepted
    expect(accepted(await statsOf(ports.admin)) - accepted(before)).toBe(10)
  })

  it('is ready', async () => {
    expect((await fetch(`http://127.0.0.1:${ports.admin}/readyz`)).status).toBe(200)
  })

  it('drains at SIGTERM, exits with 0 and leaves nothing behind', async () => {
    const mine = dataDirectories()
    expect(await gateway.stop('SIGTERM')).toEqual({ code: 0, signal: null })
    for (const directory of mine) expect(existsSync(`${tmpdir()}/${directory}`)).toBe(false)
    expect(gateway.stderr).toBe('')
  })

  // Of this gateway: made since it started.
  function dataDirectories(): string[] {
    return readdirSync(tmpdir()).filter((name) => name.startsWith('gateway-postgres-') && !others.has(name))
  }
})

const others = new Set(readdirSync(tmpdir()).filter((name) => name.startsWith('gateway-postgres-')))

describe('the embedded default', () => {
  it('ends at once at a second signal', async () => {
    const port = await findFreePort()
    const env = { HTTP_PORT: `${port}`, TCP_POSTGRES_PORT: '0', ADMIN_PORT: '0' }
    const gateway = await startGateway({ args: ['--workers', '1'], env })
    using _request = await endlessRequest(port)
    gateway.signal('SIGINT')
    await gateway.waitFor(/draining/)
    // One Ctrl-C arrives twice under npm: a signal at once is no second one. So it is sent until it is.
    const repeat = setInterval(() => gateway.signal('SIGINT'), 50)
    expect(await gateway.exited).toEqual({ code: 1, signal: null })
    clearInterval(repeat)
  })
})

/** A request whose body never ends, so that no drain can finish it. */
async function endlessRequest(port: number): Promise<Disposable> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined)
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.write('POST / HTTP/1.1\r\nHost: alpha.localhost\r\nContent-Length: 1000\r\n\r\nbegin')
  return { [Symbol.dispose]: () => void socket.destroy() }
}
