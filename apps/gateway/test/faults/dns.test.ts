import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import {
  type HttpBackend,
  httpBackend,
  findFreePort,
  launch,
  type Launched,
  temporaryDirectory,
} from '@proxy/test-servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commandOf, directoryOf } from '../gateway-process.ts'
import { dnsServer, type DnsServer } from './dns-server.ts'
import { printRecords, record } from './record.ts'

/** A mount namespace of its own, in which the system asks our DNS server. */
const possible = process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'true']).status === 0
const host = '127.0.0.77'
const dnsTtlMs = 300

describe.skipIf(!possible)('DNS (needs root and unshare)', () => {
  let dns: DnsServer
  let backend: HttpBackend
  let gateway: Launched
  let port: number

  beforeAll(async () => {
    dns = await dnsServer(host, 'here')
    // Closes its connections, so that every request is a dial.
    backend = await httpBackend((_request, response) => response.setHeader('connection', 'close').end('hello'))
    port = await findFreePort()
    const config = {
      listeners: [{ address: `127.0.0.1:${port}`, protocol: 'http' }],
      resolver: './resolver.mjs',
      cache: false,
      guard: { allow: ['127.0.0.0/8'], dnsTtlMs },
      admin: false,
      // Shorter than the system's resolver waits (a second), or it would be chance which of them gives up first.
      connectTimeoutMs: 600,
      workers: 1,
      log: { level: 'debug', pretty: false },
    }
    const resolver = `export default ({ key }) => key.replace('.localhost', '.test') + ':${backend.port}'`
    const cwd = directoryOf({ 'gateway.config.json': JSON.stringify(config), 'resolver.mjs': resolver })
    const resolv = join(temporaryDirectory('resolv'), 'resolv.conf')
    writeFileSync(resolv, `nameserver ${host}\noptions timeout:1 attempts:1\n`)
    const script = `mount --bind ${resolv} /etc/resolv.conf && exec "$0" "$@"`
    gateway = launch('unshare', ['-m', 'sh', '-c', script, process.execPath, ...commandOf()], { cwd })
    await gateway.waitFor(/LISTENER[\s\S]*\n\n/, { timeoutMs: 60_000 })
  })

  afterAll(async () => {
    printRecords()
    await gateway.stop()
    await backend.close()
    dns.close()
  })

  /** A new connection to the backend for each: kept ones need no DNS. */
  async function ask(tenant: string): Promise<number> {
    const headers = { host: `${tenant}.localhost`, connection: 'close' }
    const sent = request({ port, host: '127.0.0.1', headers, agent: false }).end()
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    await once(response.resume(), 'end')
    return response.statusCode!
  }

  const answersRunOut = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, dnsTtlMs + 50))

  /** Milliseconds until a tenant is served. */
  async function untilWell(tenant: string): Promise<number> {
    const begun = performance.now()
    while ((await ask(tenant)) !== 200) expect(performance.now() - begun).toBeLessThan(20_000)
    return Math.round(performance.now() - begun)
  }

  it('that knows no such name: 502, whatever was known before', async () => {
    expect(await ask('alpha')).toBe(200)
    dns.answer = 'no such name'
    expect(await ask('beta')).toBe(502)
    await answersRunOut()
    expect(await ask('alpha')).toBe(502)
    dns.answer = 'here'
    record('DNS: no such name', 'http', '502', await untilWell('alpha'))
  })

  it('that is silent: known names are served, others are told 504, however many they are', async () => {
    expect(await ask('alpha')).toBe(200)
    dns.answer = 'silence'
    await answersRunOut()
    expect(await ask('alpha')).toBe(200)
    const others = Array.from({ length: 8 }, (_, index) => ask(`silent-${index}`))
    expect(await ask('alpha')).toBe(200)
    expect(new Set(await Promise.all(others))).toEqual(new Set([504]))
    expect(await ask('alpha')).toBe(200)
    dns.answer = 'here'
    record('DNS: silent', 'http', '504; known names are served', await untilWell('silent-0'))
  })

  it('that comes and goes: known names never notice', async () => {
    expect(await ask('alpha')).toBe(200)
    const seen = new Set<number>()
    const end = performance.now() + 2_500
    const flapping = setInterval(() => (dns.answer = dns.answer === 'silence' ? 'here' : 'silence'), 200)
    while (performance.now() < end) seen.add(await ask('alpha'))
    clearInterval(flapping)
    dns.answer = 'here'
    expect([...seen]).toEqual([200])
    record('DNS: flapping', 'http', 'served', await untilWell('gamma'))
  })
})
