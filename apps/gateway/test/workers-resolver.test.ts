import { readFileSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { findFreePort, type Launched } from '@proxy/test-servers'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { directoryOf, startGateway, statsOf } from './gateway-process.ts'

const kernel = new URL('../../../packages/kernel/src/index.ts', import.meta.url).href

/** A resolver of a user, which starts a web server and writes down all that happens to it. */
const resolverModule = (port: number, journal: string, version: number): string => `
import { appendFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { ResolveError } from '${kernel}'

const note = (...words) => appendFileSync(${JSON.stringify(journal)}, words.join(' ') + '\\n')
note('load', ${version}, process.env.GATEWAY_WORKER ?? 'primary')
let server
let changed = () => undefined
const state = () => (server === undefined ? 'asleep' : 'ready')
export default {
  name: 'mine',
  resolve({ key }) {
    if (key === 'closed') throw new ResolveError('FORBIDDEN', { hint: 'pay first' })
    if (key === 'busy') throw new ResolveError('UNAVAILABLE', { retryAfterMs: 7000 })
    if (key === 'slow') return new Promise(() => undefined)
    if (key !== 'one') throw new ResolveError('NOT_FOUND', { hint: 'try one' })
    return { id: 'one', endpoint: '127.0.0.1:${port}', state: state(), metadata: { who: 'one' } }
  },
  async wake({ id }) {
    note('wake', id)
    await new Promise((resolve) => setTimeout(resolve, 300))
    server = createServer((request, response) => {
      if (request.url === '/hang') response.write('begun')
      else response.end('version ${version}')
    })
    await new Promise((resolve) => server.listen(${port}, '127.0.0.1', resolve))
    changed('one')
    return '127.0.0.1:${port}'
  },
  watch: (listener) => ((changed = listener), () => undefined),
  sleep({ id }) {
    note('sleep', id)
    server?.close()
    server?.closeAllConnections()
    server = undefined
    changed('one')
  },
  track: (key) => note('track', key),
  onConnect: (key, { who }) => note('connect', key, who),
  onDisconnect: (key, { who }) => note('disconnect', key, who),
  purge: (key) => note('purge', key),
  stats: () => ({ version: ${version}, backends: [{ backend: 'one', state: state() }] }),
  close: async () => {
    note('close', ${version})
    server?.close()
    server?.closeAllConnections()
  },
}
`

describe('a resolver that starts things, with two workers', () => {
  let gateway: Launched
  let ports: { http: number; backend: number; admin: number }
  let directory: string
  let journal: string

  const write = (version: number, more = {}): void => {
    writeFileSync(join(directory, 'resolver.mjs'), resolverModule(ports.backend, journal, version))
    const config = {
      listeners: [{ address: `127.0.0.1:${ports.http}`, protocol: 'http' }],
      resolver: './resolver.mjs',
      guard: { allow: ['127.0.0.1'] },
      admin: { address: ports.admin },
      workers: 2,
      ...more,
    }
    writeFileSync(join(directory, 'gateway.config.json'), JSON.stringify(config))
  }

  const reload = async (expected: RegExp): Promise<void> => {
    const offset = gateway.output.length
    gateway.signal('SIGHUP')
    await gateway.waitFor(expected, { offset })
  }

  const noted = (line: string): number =>
    readFileSync(journal, 'utf8')
      .split('\n')
      .filter((one) => one === line).length

  const get = (host: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(ports.http, '127.0.0.1')
      let text = ''
      socket.setEncoding('utf8').on('data', (more: string) => (text += more))
      socket.on('error', reject).on('close', () => resolve(text))
      socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    })

  const hang = async (): Promise<Socket> => {
    const socket = connect(ports.http, '127.0.0.1').on('error', () => undefined)
    socket.write('GET /hang HTTP/1.1\r\nHost: one\r\n\r\n')
    await new Promise((resolve) => socket.once('data', resolve))
    return socket
  }

  beforeAll(async () => {
    ports = { http: await findFreePort(), backend: await findFreePort(), admin: await findFreePort() }
    directory = directoryOf({ journal: '' })
    journal = join(directory, 'journal')
    write(1)
    gateway = await startGateway({ cwd: directory })
  })

  afterAll(() => gateway.stop())

  it('is loaded in the primary process alone', () => {
    expect([noted('load 1 primary'), noted('load 1 1'), noted('load 1 2')]).toEqual([1, 0, 0])
  })

  it('starts a backend once for 200 connections at once', async () => {
    const answers = await Promise.all(Array.from({ length: 200 }, () => get('one')))
    expect(new Set(answers.map((answer) => answer.split('\r\n\r\n')[1]))).toEqual(new Set(['version 1']))
    expect(noted('wake one')).toBe(1)
    const { workers } = await statsOf(ports.admin)
    expect(workers).toHaveLength(2)
  })

  it('says every connect and disconnect, with its metadata', async () => {
    await vi.waitFor(() => expect(noted('disconnect one one')).toBe(200))
    expect(noted('connect one one')).toBe(200)
    expect(noted('track one')).toBeGreaterThan(0)
    expect(noted('track one')).toBeLessThan(200)
  })

  it('keeps what an error knows', async () => {
    expect(await get('closed')).toMatch(/^HTTP\/1\.1 403 [^]*pay first/)
    expect(await get('busy')).toMatch(/^HTTP\/1\.1 503 [^]*retry-after: 7\r\n/i)
    expect(await get('nobody')).toMatch(/^HTTP\/1\.1 404 [^]*try one/)
  })

  it('shows its stats once', async () => {
    const { resolver } = (await statsOf(ports.admin)) as unknown as { resolver: { version: number } }
    expect(resolver.version).toBe(1)
  })

  it('lets a client that leaves go, and answers the others', async () => {
    const socket = connect(ports.http, '127.0.0.1').on('error', () => undefined)
    socket.write('GET / HTTP/1.1\r\nHost: slow\r\n\r\n')
    await vi.waitFor(async () => expect((await statsOf(ports.admin)).listeners[0]!.connections).toBe(1))
    socket.destroy()
    await vi.waitFor(async () => expect((await statsOf(ports.admin)).listeners[0]!.connections).toBe(0))
    expect(await get('one')).toContain('version 1')
  })

  it('hears that all connections of a worker ended when the worker dies, and serves the next one', async () => {
    const hanging = await Promise.all(Array.from({ length: 10 }, hang))
    const open = (): number => noted('connect one one') - noted('disconnect one one')
    await vi.waitFor(() => expect(open()).toBe(10))
    for (const { pid } of (await statsOf(ports.admin)).workers) {
      const offset = gateway.output.length
      process.kill(pid, 'SIGKILL')
      await gateway.waitFor(/the worker serves again/, { offset })
    }
    await vi.waitFor(() => expect(open()).toBe(0))
    for (const socket of hanging) socket.destroy()
    expect(await get('one')).toContain('version 1')
    expect([noted('load 1 primary'), noted('wake one')]).toEqual([1, 1])
  })

  it('is replaced by a reload, and closed when its last session has ended', async () => {
    const socket = await hang()
    write(2)
    await reload(/"reloaded"/)
    expect(noted('load 2 primary')).toBe(1)
    expect(noted('close 1')).toBe(0)
    socket.destroy()
    await vi.waitFor(() => expect(noted('close 1')).toBe(1), { timeout: 10_000 })
    await vi.waitFor(async () => expect(await get('one')).toContain('version 2'), { timeout: 10_000 })
  })

  it('stays when a reload fails, whose own is closed', async () => {
    write(3, { listners: [] })
    await reload(/the reload failed/)
    const listeners = [ports.http, ports.backend].map((port) => ({ address: `127.0.0.1:${port}`, protocol: 'http' }))
    write(4, { listeners })
    await reload(/the reload failed/)
    await vi.waitFor(() => expect(noted('close 4')).toBe(1))
    expect(noted('close 2')).toBe(0)
    for (let i = 0; i < 10; i++) expect(await get('one')).toContain('version 2')
  })

  it('is closed at the end', async () => {
    await gateway.stop('SIGTERM')
    expect(noted('close 2')).toBe(1)
    const open = noted('connect one one') - noted('disconnect one one')
    expect(open).toBe(0)
  })
})

describe('a resolver that puts things to sleep, with two workers', () => {
  it('does so when nobody on any worker uses them, once, and starts them again', async () => {
    const ports = { http: await findFreePort(), backend: await findFreePort(), admin: await findFreePort() }
    const directory = directoryOf({ journal: '' })
    const journal = join(directory, 'journal')
    writeFileSync(join(directory, 'resolver.mjs'), resolverModule(ports.backend, journal, 1))
    const config = {
      listeners: [{ address: `127.0.0.1:${ports.http}`, protocol: 'http', options: { poolIdleTimeoutMs: 100 } }],
      resolver: './resolver.mjs',
      idle: { afterMs: 300 },
      guard: { allow: ['127.0.0.1'] },
      admin: { address: ports.admin },
      workers: 2,
    }
    writeFileSync(join(directory, 'gateway.config.json'), JSON.stringify(config))
    const gateway = await startGateway({ cwd: directory })
    const noted = (line: string): number =>
      readFileSync(journal, 'utf8')
        .split('\n')
        .filter((one) => one === line).length
    const request = async (path: string): Promise<Socket> => {
      const socket = connect(ports.http, '127.0.0.1').on('error', () => undefined)
      socket.write(`GET ${path} HTTP/1.1\r\nHost: one\r\n\r\n`)
      await new Promise((resolve) => socket.once('data', resolve))
      return socket
    }
    try {
      // Clients that stay connected and ask for nothing keep nothing awake.
      const silent = await Promise.all(Array.from({ length: 20 }, () => request('/')))
      const busy = await request('/hang')
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      expect(noted('sleep one')).toBe(0)
      busy.destroy()
      await vi.waitFor(() => expect(noted('sleep one')).toBe(1), { timeout: 10_000 })
      const again = await request('/')
      expect([noted('wake one'), noted('sleep one')]).toEqual([2, 1])
      for (const socket of [...silent, again]) socket.destroy()
      await vi.waitFor(() => expect(noted('sleep one')).toBe(2), { timeout: 10_000 })
    } finally {
      await gateway.stop()
    }
  })
})
