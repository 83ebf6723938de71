import { createServer, type RequestListener, type Server } from 'node:http'
import { writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { findFreePort, type Launched, run } from '@proxy/test-servers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { directoryOf, runGateway, startGateway, statsOf } from './gateway-process.ts'

const web = `
import { createServer } from 'node:http'
createServer((request, response) => response.end(String(process.pid))).listen(Number(process.argv[2]), '127.0.0.1')
`

describe.each([1, 2])('declared resolvers with %i workers', (workers) => {
  let gateway: Launched | undefined

  afterEach(async () => {
    await gateway?.stop()
  })

  const get = async (port: number, host: string): Promise<string> => {
    const { stdout } = await run('curl', ['-s', '-m', '20', '-H', `Host: ${host}`, `127.0.0.1:${port}/`])
    return stdout
  }

  it('start local processes, which outlive a reload and end with the gateway', async () => {
    const ports = { http: await findFreePort(), admin: await findFreePort() }
    const one = { command: process.execPath, args: ['web.mjs', '{port}'] }
    const config = {
      listeners: [{ address: `127.0.0.1:${ports.http}`, protocol: 'http' }],
      resolver: { process: { backends: { one, idler: one } } },
      guard: { allow: ['127.0.0.1'] },
      admin: { address: ports.admin },
      workers,
    }
    const directory = directoryOf({ 'web.mjs': web, 'gateway.config.json': JSON.stringify(config) })
    gateway = await startGateway({ cwd: directory })
    const pids = await Promise.all(Array.from({ length: 20 }, () => get(ports.http, 'one')))
    expect(new Set(pids).size).toBe(1)
    expect(pids[0]).toMatch(/^\d+$/)
    writeFileSync(join(directory, 'gateway.config.json'), JSON.stringify({ ...config, retry: false }))
    gateway.signal('SIGHUP')
    await gateway.waitFor(/"reloaded"/)
    expect(await get(ports.http, 'one')).toBe(pids[0])
    const { resolver } = (await statsOf(ports.admin)) as unknown as { resolver: Record<string, unknown> }
    expect(resolver).toMatchObject({ awake: 1, asleep: 1, starts: 1 })
    await gateway.stop('SIGTERM')
    await vi.waitFor(() => expect(() => process.kill(Number(pids[0]), 0)).toThrow(/ESRCH/), { timeout: 10_000 })
  })

  it('ask a control plane, for as long as its answers count', async () => {
    const backend = await listen((_request, response) => response.end('served'))
    let asked = 0
    const plane = await listen((request, response) => {
      asked++
      const known = new URL(request.url ?? '', 'http://plane').searchParams.get('key') === 'one'
      response.writeHead(known ? 200 : 404, { 'cache-control': 'max-age=60' })
      response.end(known ? JSON.stringify(`127.0.0.1:${backend.port}`) : undefined)
    })
    const ports = { http: await findFreePort(), admin: await findFreePort() }
    const config = {
      listeners: [{ address: `127.0.0.1:${ports.http}`, protocol: 'http' }],
      resolver: { http: { url: `http://127.0.0.1:${plane.port}/route` } },
      guard: { allow: ['127.0.0.1'] },
      admin: { address: ports.admin },
      workers,
    }
    gateway = await startGateway({ cwd: directoryOf({ 'gateway.config.json': JSON.stringify(config) }) })
    for (let i = 0; i < 20; i++) expect(await get(ports.http, 'one')).toBe('served')
    expect(await get(ports.http, 'other')).toContain('no such tenant')
    expect(asked).toBeLessThanOrEqual(2 * workers)
    await Promise.all([backend.close(), plane.close()])
  })
})

describe('gateway check', () => {
  it.each([
    [{ process: {} }, /resolver\.process\.backends/],
    [
      { process: { backends: { one: { comand: 'x' } } } },
      /resolver\.process\.backends\.one\.comand: is not a known key/,
    ],
    [{ process: { backends: { one: { command: 'x', endpoint: 'y' } } } }, /one: the endpoint has no port/],
    [{ http: {} }, /resolver\.http\.url: is missing/],
    [{ http: { url: 'nowhere' } }, /url is no URL/],
  ])('refuses %j', async (resolver, message) => {
    const config = { listeners: [{ address: '127.0.0.1:0', protocol: 'http' }], resolver }
    const cwd = directoryOf({ 'gateway.config.json': JSON.stringify(config) })
    const { code, stderr } = await runGateway({ args: ['check'], cwd })
    expect([code, stderr]).toEqual([1, expect.stringMatching(message)])
  })
})

async function listen(serve: RequestListener): Promise<{ port: number; close(): Promise<void> }> {
  const server: Server = createServer(serve)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
  return { port: (server.address() as AddressInfo).port, close }
}
