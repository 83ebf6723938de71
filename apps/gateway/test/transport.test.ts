import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { findFreePort, launch, type Launched, run } from '@proxy/test-servers'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { ask, file, get, listener } from './direct-response.ts'
import { commandOf, directoryOf, startGateway, type Stats, statsOf } from './gateway-process.ts'

const portOf = ({ listeners }: Stats, name: string): number =>
  listeners.find((one) => one.name === name)?.address.port ?? 0

describe('where epoll cannot be had', () => {
  // Node then loads no native code.
  const flags = ['--permission', '--allow-fs-read=*', '--allow-fs-write=*', '--allow-child-process', '--allow-worker']

  const launchIn = async (transport: string): Promise<{ gateway: Launched; admin: number }> => {
    const admin = await findFreePort()
    const config = file({ listeners: [listener('web', 0)], admin: { address: admin }, workers: 2, transport })
    const cwd = directoryOf({ 'gateway.config.json': config })
    return { gateway: launch(process.execPath, [...flags, ...commandOf()], { cwd }), admin }
  }

  it('auto is Node, which one line says for all workers', async () => {
    const { gateway, admin } = await launchIn('auto')
    await gateway.waitFor(/LISTENER[\s\S]*\n\n/, { timeoutMs: 60_000 })
    expect(gateway.output).toContain('2 workers, node,')
    const stats = await statsOf(admin)
    expect(stats.transport).toBe('node')
    expect(await get(portOf(stats, 'web'))).toBe('web')
    await gateway.stop()
    expect(gateway.output.match(/not by epoll/g)).toHaveLength(1)
  })

  it('epoll is a mistake in the configuration, which a check finds too', async () => {
    const { gateway } = await launchIn('epoll')
    expect(await gateway.exited).toMatchObject({ code: 1 })
    expect(gateway.stderr).toContain('transport: cannot be epoll: ')
    const cwd = directoryOf({ 'gateway.config.json': file({ listeners: [listener('web', 0)], transport: 'epoll' }) })
    const checked = await run(process.execPath, [...flags, ...commandOf(['check'])], { cwd })
    expect(checked).toMatchObject({ code: 1, stderr: expect.stringContaining('transport: cannot be epoll: ') })
  })
})

describe.skipIf(process.platform !== 'linux')('two workers on epoll', () => {
  let gateway: Launched
  let admin: number
  let directory: string

  const write = (...listeners: readonly object[]): void =>
    writeFileSync(
      join(directory, 'gateway.config.json'),
      file({ listeners, admin: { address: admin }, workers: 2, transport: 'epoll' }),
    )

  const stats = (): Promise<Stats> => statsOf(admin)
  const pids = async (): Promise<readonly number[]> => (await stats()).workers.map(({ pid }) => pid)

  const reload = async (): Promise<void> => {
    const offset = gateway.output.length
    gateway.signal('SIGHUP')
    await gateway.waitFor(/"reloaded"/, { offset })
  }

  const killed = async (pid: number): Promise<void> => {
    const offset = gateway.output.length
    process.kill(pid, 'SIGKILL')
    await gateway.waitFor(/the worker serves again/, { offset })
  }

  beforeAll(async () => {
    admin = await findFreePort()
    directory = directoryOf({})
    write(listener('first', 0), listener('second', 0))
    gateway = await startGateway({ cwd: directory })
  })

  afterAll(() => gateway.stop())

  it('is what the start says', async () => {
    expect(gateway.output).toContain('2 workers, epoll,')
    expect((await stats()).transport).toBe('epoll')
  })

  it('has one port for all workers where the system chooses it, also when they were started again', async () => {
    const before = await stats()
    const ports = [portOf(before, 'first'), portOf(before, 'second')] as const
    expect(new Set([...ports, 0]).size).toBe(3)
    for (const { pid } of before.workers) await killed(pid)
    for (let count = 0; count < 20; count++) {
      expect([await get(ports[0]), await get(ports[1])]).toEqual(['first', 'second'])
    }
    const after = await stats()
    expect([portOf(after, 'first'), portOf(after, 'second')]).toEqual(ports)
  })

  it('serves what waits in the queue of a worker that dies', async () => {
    const [dies = 0, lives = 0] = await pids()
    const port = portOf(await stats(), 'first')
    process.kill(dies, 'SIGSTOP')
    process.kill(lives, 'SIGSTOP')
    const asked = await Promise.all(Array.from({ length: 50 }, () => ask(port)))
    const offset = gateway.output.length
    process.kill(dies, 'SIGKILL')
    process.kill(lives, 'SIGCONT')
    expect(new Set(await Promise.all(asked.map(({ answer }) => answer)))).toEqual(new Set(['first']))
    await gateway.waitFor(/the worker serves again/, { offset })
  })

  it('serves what waits while no worker is left, once one was started again', async () => {
    const port = portOf(await stats(), 'second')
    const before = await pids()
    for (const pid of before) process.kill(pid, 'SIGSTOP')
    const asked = await Promise.all(Array.from({ length: 50 }, () => ask(port)))
    for (const pid of before) process.kill(pid, 'SIGKILL')
    expect(new Set(await Promise.all(asked.map(({ answer }) => answer)))).toEqual(new Set(['second']))
    await vi.waitFor(async () => expect(await pids()).toHaveLength(2), { timeout: 20_000 })
  })

  it('leaves no descriptor behind when listeners come and go', { timeout: 60_000 }, async () => {
    const processes = [gateway.child.pid ?? 0, ...(await pids())]
    const descriptors = (): number[] => processes.map((pid) => readdirSync(`/proc/${pid}/fd`).length)
    const port = await findFreePort()
    const comeAndGo = async (): Promise<void> => {
      write(listener('first', 0), listener('second', 0), listener('third', port), listener('fourth', 0))
      await reload()
      const four = await stats()
      expect(await Promise.all([get(port), get(portOf(four, 'fourth'))])).toEqual(['third', 'fourth'])
      write(listener('first', 0), listener('second', 0))
      await reload()
      await expect(get(port)).rejects.toThrow('ECONNREFUSED')
    }
    await comeAndGo()
    const before = descriptors()
    for (let count = 0; count < 5; count++) await comeAndGo()
    await vi.waitFor(() => expect(descriptors()).toEqual(before), { timeout: 10_000 })
  })

  it('refuses new connections in a drain, and finishes what is under way', async () => {
    const port = portOf(await stats(), 'first')
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write('GET / HTTP/1.1\r\n')
    const offset = gateway.output.length
    await vi.waitFor(async () => {
      const { listeners } = await stats()
      expect(listeners.find(({ name }) => name === 'first')?.connections).toBe(1)
    })
    gateway.signal('SIGTERM')
    await gateway.waitFor(/draining/, { offset })
    await vi.waitFor(() => expect(get(port)).rejects.toThrow('ECONNREFUSED'))
    socket.write('host: example.test\r\n\r\n')
    expect(await text(socket)).toMatch(/first$/)
    expect(await gateway.exited).toEqual({ code: 0, signal: null })
  })
})
