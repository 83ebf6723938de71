import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findFreePort, type Launched } from '@proxy/test-servers'
import { afterEach, describe, expect, it } from 'vitest'
import { ask, get, listener } from './direct-response.ts'
import { directoryOf, launchGateway, startGateway, statsOf } from './gateway-process.ts'

interface Started {
  readonly gateway: Launched
  readonly directory: string
  readonly port: number
  readonly admin: number
}

interface Settings {
  readonly transport: string
  readonly port: number
  readonly workers?: number
  readonly more?: object
}

const running: Launched[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map((gateway) => gateway.stop()))
})

/** Nobody opens while there is a file `broken`. */
async function configured({ transport, port, workers = 2, more = {} }: Settings) {
  const admin = await findFreePort()
  const listeners = [listener('web', port, more)]
  const config = { listeners, resolver: { fixed: '127.0.0.1:1' }, admin: { address: admin }, workers, transport }
  const module = `import { existsSync } from 'node:fs'
if (existsSync(import.meta.dirname + '/broken')) throw new Error('this worker may not open')
export default ${JSON.stringify(config)}`
  return { directory: directoryOf({ 'gateway.config.mjs': module }), admin }
}

async function start(settings: Omit<Settings, 'port'> & { port?: number }): Promise<Started> {
  const port = settings.port ?? (await findFreePort())
  const { directory, admin } = await configured({ ...settings, port })
  const gateway = await startGateway({ cwd: directory })
  running.push(gateway)
  return { gateway, directory, port, admin }
}

/** Ends by itself, as it must not start. */
async function refused(settings: Settings): Promise<string> {
  const { directory } = await configured(settings)
  const gateway = launchGateway({ cwd: directory })
  running.push(gateway)
  expect(await gateway.exited).toMatchObject({ code: 1 })
  return gateway.stderr
}

const pidsOf = async (admin: number): Promise<number[]> => (await statsOf(admin)).workers.map(({ pid }) => pid)

/** Sockets of this machine that listen at the port. */
function listening(port: number): number {
  const address = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = readFileSync('/proc/net/tcp', 'utf8').split('\n')
  return rows.filter((row) => row.includes(` ${address} 00000000:0000 0A `)).length
}

const many = (port: number): Promise<string[]> => Promise.all(Array.from({ length: 50 }, () => get(port)))
const served = Array.from({ length: 50 }, () => 'web')

const transports = process.platform === 'linux' ? ['epoll', 'node'] : ['node']

describe.each(transports)('the address of several workers on %s', (transport) => {
  it('is refused to a second gateway, and to one that begins in the same moment', { timeout: 120_000 }, async () => {
    const port = await findFreePort()
    const both = await Promise.all(
      [1, 2].map(async () => {
        const { directory } = await configured({ transport, port })
        const gateway = launchGateway({ cwd: directory })
        running.push(gateway)
        const serves = gateway.waitFor(/LISTENER[\s\S]*\n\n/, { timeoutMs: 60_000 }).then(() => 'serves')
        const ends = gateway.exited.then(({ code }) => `ended with ${code}: ${gateway.stderr}`)
        return Promise.race([serves, ends])
      }),
    )
    expect(both.toSorted()).toEqual([expect.stringMatching(/ended with 1: .* is taken by another program/), 'serves'])
    for (const workers of [1, 2])
      expect(await refused({ transport, port, workers })).toContain('is taken by another program')
    expect(await many(port)).toEqual(served)
  })

  it('refuses nobody while workers are killed', { timeout: 120_000 }, async () => {
    const { gateway, port, admin } = await start({ transport })
    const errors: string[] = []
    let over = false
    const client = async (): Promise<void> => {
      // What a killed worker had accepted is reset; a connection that was refused, or that nobody takes, is what must not be.
      while (!over) await get(port).catch(({ code }: NodeJS.ErrnoException) => errors.push(String(code)))
    }
    const clients = Array.from({ length: 8 }, client)
    for (const index of [0, 1, 1, 0]) {
      const pid = (await pidsOf(admin))[index] ?? 0
      const offset = gateway.output.length
      process.kill(pid, 'SIGKILL')
      await gateway.waitFor(/the worker serves again/, { offset })
    }
    over = true
    await Promise.all(clients)
    expect(errors.filter((code) => code !== 'ECONNRESET' && code !== 'EPIPE')).toEqual([])
    expect(await many(port)).toEqual(served)
  })
})

describe.skipIf(process.platform !== 'linux')('a socket for each worker', () => {
  const transport = 'epoll'

  it('is there', { timeout: 60_000 }, async () => {
    const { port } = await start({ transport, workers: 3 })
    expect(listening(port)).toBe(3)
    expect(await many(port)).toEqual(served)
  })

  it('is listened on by another one while its worker is away', { timeout: 120_000 }, async () => {
    const { gateway, directory, port, admin } = await start({ transport })
    const [victim = 0] = await pidsOf(admin)
    writeFileSync(join(directory, 'broken'), '')
    process.kill(victim, 'SIGKILL')
    await gateway.waitFor(/this worker may not open/)
    expect(await many(port)).toEqual(served)
    const offset = gateway.output.length
    rmSync(join(directory, 'broken'))
    await gateway.waitFor(/the worker serves again/, { offset, timeoutMs: 30_000 })
    expect(listening(port)).toBe(2)
    // The successor's own again: the other one may be away.
    const [, other = 0] = await pidsOf(admin)
    writeFileSync(join(directory, 'broken'), '')
    process.kill(other, 'SIGKILL')
    await gateway.waitFor(/this worker may not open/, { offset: gateway.output.length })
    expect(await many(port)).toEqual(served)
  })

  it('keeps what waits in it while no worker is left', { timeout: 120_000 }, async () => {
    const { gateway, directory, port, admin } = await start({ transport })
    const pids = await pidsOf(admin)
    for (const pid of pids) process.kill(pid, 'SIGSTOP')
    const asked = await Promise.all(Array.from({ length: 50 }, () => ask(port)))
    writeFileSync(join(directory, 'broken'), '')
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    await gateway.waitFor(/this worker may not open[\s\S]*this worker may not open/)
    asked.push(...(await Promise.all(Array.from({ length: 50 }, () => ask(port)))))
    rmSync(join(directory, 'broken'))
    const answers = await Promise.all(asked.map(({ answer }) => answer))
    expect(answers).toEqual([...served, ...served])
  })

  it('leaves room for those of another instance with reusePort', { timeout: 120_000 }, async () => {
    const more = { reusePort: true }
    const first = await start({ transport, more })
    const second = await start({ transport, more, port: first.port })
    expect(listening(first.port)).toBe(4)
    expect(await many(first.port)).toEqual(served)
    for (const { admin } of [first, second]) {
      const { listeners } = await statsOf(admin)
      expect(listeners[0]?.accepted).toBeGreaterThan(0)
    }
    expect(await refused({ transport, port: first.port })).toContain('is taken by another program')
  })
})
