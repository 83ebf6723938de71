import { spawnSync } from 'node:child_process'
import { readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import {
  findFreePort,
  type HttpBackend,
  httpBackend,
  launch,
  type Launched,
  temporaryDirectory,
} from '@proxy/test-servers'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { commandOf, directoryOf, statsOf } from '../gateway-process.ts'

const possible = process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'true']).status === 0

describe.skipIf(!possible)('a full disk under the logs (needs root and unshare)', () => {
  let backend: HttpBackend
  let gateway: Launched | undefined

  beforeAll(async () => {
    backend = await httpBackend('hello')
    return () => backend.close()
  })

  afterEach(() => gateway?.stop('SIGKILL'))

  it.each([1, 2])(
    '%i worker(s): everybody is served, and lines are written again when there is room',
    async (workers) => {
      const [port, admin] = [await findFreePort(), await findFreePort()]
      const config = {
        listeners: [{ address: `127.0.0.1:${port}`, protocol: 'http' }],
        resolver: { fixed: backend.endpoint },
        guard: { allow: [`127.0.0.1 ${backend.port}`] },
        admin: { address: admin },
        workers,
        log: { level: 'debug', pretty: false },
      }
      const disk = temporaryDirectory('disk')
      const script = `mount -t tmpfs -o size=64k tmpfs ${disk} && exec "$0" "$@" >>${disk}/log`
      const cwd = directoryOf({ 'gateway.config.json': JSON.stringify(config) })
      gateway = launch('unshare', ['-m', 'sh', '-c', script, process.execPath, ...commandOf()], { cwd })
      const { pid } = gateway
      const log = join(`/proc/${pid}/root`, disk, 'log')
      const lines = (): string => readFileSync(log, 'utf8')
      const status = async (): Promise<number> =>
        (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).status
      await vi.waitFor(async () => expect(await status()).toBe(200), { timeout: 20_000, interval: 100 })
      const before = await vi.waitFor(async () => {
        const stats = await statsOf(admin)
        expect(stats.workers).toHaveLength(workers)
        return stats
      })
      // More lines than there is room for.
      for (let count = 0; count < 600; count++) expect(await status()).toBe(200)
      expect(lines().length).toBeGreaterThan(60_000)
      const filled = lines().length
      for (let count = 0; count < 50; count++) expect(await status()).toBe(200)
      expect(lines().length).toBe(filled)
      truncateSync(log)
      await vi.waitFor(async () => {
        expect(await status()).toBe(200)
        expect(lines()).toMatch(/"msg":"session"/)
      })
      const after = await vi.waitFor(async () => {
        const stats = await statsOf(admin)
        expect(stats.workers).toHaveLength(workers)
        return stats
      })
      expect(after.restarts).toBe(0)
      expect(after.workers).toMatchObject(before.workers.map(({ pid: same }) => ({ pid: same })))
    },
  )
})
