import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeNeeding, type PostgresServer, postgresServer, programEnv } from '@proxy/test-servers'
import { findFreePort, type HttpBackend, httpBackend, type Launched, temporaryDirectory } from '@proxy/test-servers'
import pg from 'pg'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { directoryOf, startGateway } from '../gateway-process.ts'

const ttlMs = 1_500
const yearMs = 365 * 86_400_000

/** Answers are counted by what it prints. */
const resolver = (http: string, postgres: string): string => `
export default ({ listener }) => {
  console.log('asked for ' + listener)
  return listener === 'http' ? '${http}' : '${postgres}'
}
`

describeNeeding(['faketime'], 'the wall clock of the gateway jumps', () => {
  let backend: HttpBackend
  let server: PostgresServer
  let gateway: Launched
  let port: number
  let session: pg.Client
  const file = join(temporaryDirectory('clock'), 'offset')

  beforeAll(async () => {
    backend = await httpBackend('hello')
    server = await postgresServer()
    port = await findFreePort()
    const postgresPort = await findFreePort()
    const config = {
      listeners: [
        { address: `127.0.0.1:${port}`, protocol: 'http', name: 'http' },
        { address: `127.0.0.1:${postgresPort}`, protocol: 'postgres', name: 'postgres', idleTimeoutMs: 60_000 },
      ],
      resolver: './resolver.mjs',
      cache: { ttlMs },
      guard: { allow: ['127.0.0.0/8'] },
      admin: false,
      workers: 1,
      log: { level: 'debug', pretty: false },
    }
    writeFileSync(file, '+0\n')
    const env = {
      LD_PRELOAD: library(),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    }
    const files = {
      'gateway.config.json': JSON.stringify(config),
      'resolver.mjs': resolver(backend.endpoint, server.endpoint),
    }
    gateway = await startGateway({ cwd: directoryOf(files), env })
    session = new pg.Client(server.url('postgres', { port: postgresPort }))
    await session.connect()
  })

  afterAll(async () => {
    await session.end()
    await gateway.stop()
    await server.stop()
    await backend.close()
  })

  const status = async (): Promise<number> =>
    (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).status

  const timesAsked = (): number => gateway.output.match(/asked for http/g)?.length ?? 0

  /** The clock that the latest log line shows, in years from now. */
  const yearsAway = (): number => {
    const times = [...gateway.output.matchAll(/"time":(\d+)/g)].map(([, time]) => Number(time))
    return Math.round((times.at(-1)! - Date.now()) / yearMs)
  }

  it.each([1, -1])(
    'by %i year(s): sessions go on, and what is remembered lasts as long as it should',
    async (years) => {
      await vi.waitFor(
        async () => {
          const before = timesAsked()
          expect(await status()).toBe(200)
          expect(timesAsked()).toBe(before + 1)
        },
        { timeout: 10_000, interval: 200 },
      )
      const remembered = timesAsked()
      const since = performance.now()
      writeFileSync(file, `${years < 0 ? '-' : '+'}${Math.abs(years)}y\n`)
      await vi.waitFor(async () => {
        expect(await status()).toBe(200)
        expect(yearsAway()).toBe(years)
      })
      const { rows } = await session.query('select 1 as one')
      expect(rows).toEqual([{ one: 1 }])
      if (performance.now() - since < ttlMs / 2) expect(timesAsked()).toBe(remembered)
      // Neither for a year nor for ever.
      await vi.waitFor(
        async () => {
          expect(await status()).toBe(200)
          expect(timesAsked()).toBe(remembered + 1)
        },
        { timeout: 10_000, interval: 100 },
      )
      expect(performance.now() - since).toBeGreaterThan(ttlMs / 2)
      await session.query('select 2')
    },
  )
})

/** The one that `faketime` would load. */
function library(): string {
  const { stdout } = spawnSync('faketime', ['-f', '+0', 'printenv', 'LD_PRELOAD'], {
    env: programEnv,
    encoding: 'utf8',
  })
  return stdout.trim()
}
