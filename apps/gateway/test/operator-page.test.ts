import { createServer, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import {
  describeNeeding,
  findFreePort,
  type HttpBackend,
  httpBackend,
  launch,
  type Launched,
  type PostgresServer,
  postgresServer,
} from '@proxy/test-servers'
import pg from 'pg'
import type { Browser, Locator } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { launchBrowser, openTab, type Tab } from './browser.ts'
import { directoryOf, startGateway, statsOf } from './gateway-process.ts'

const token = 'correct-horse-battery'

vi.setConfig({ testTimeout: 60_000 })

/** What the resolver of the gateway asks this process: it wakes when it is answered, and tells of purges. */
class Control {
  readonly purged: string[] = []
  readonly #server: Server
  #waking: ServerResponse[] = []

  constructor() {
    this.#server = createServer((request, response) => {
      if (request.url === '/wake') return void this.#waking.push(response)
      this.purged.push(decodeURIComponent((request.url ?? '').slice('/purge/'.length)))
      response.end()
    })
  }

  async open(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return (this.#server.address() as AddressInfo).port
  }

  awake(): void {
    for (const response of this.#waking) response.end()
    this.#waking = []
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

interface Ports {
  readonly http: number
  readonly postgres: number
  readonly admin: number
  /** Nobody listens there. */
  readonly dead: number
}

const config = (ports: Ports, http: HttpBackend, postgres: PostgresServer, control: number): string => `
let awake = false
export default {
  listeners: [
    { address: '127.0.0.1:${ports.http}', protocol: 'http' },
    { address: '127.0.0.1:${ports.postgres}', protocol: 'postgres' },
  ],
  resolver: {
    name: 'test',
    resolve({ key, protocol }) {
      if (key === 'dead.test') return { id: 'dead', endpoint: '127.0.0.1:${ports.dead}' }
      if (key === 'sleepy.test') return { id: 'sleepy', endpoint: '${http.endpoint}', state: awake ? 'ready' : 'asleep' }
      return { id: key, endpoint: protocol === 'http' ? '${http.endpoint}' : '${postgres.endpoint}' }
    },
    async wake({ id }) {
      if (id !== 'sleepy') throw new Error('there is nothing to start')
      await fetch('http://127.0.0.1:${control}/wake')
      awake = true
      return '${http.endpoint}'
    },
    async purge(key) {
      await fetch('http://127.0.0.1:${control}/purge/' + encodeURIComponent(key))
    },
    stats: () => ({ backends: [{ backend: 'sleepy', state: awake ? 'awake' : 'asleep', sinceMs: 1000 }] }),
  },
  guard: { allow: ['127.0.0.1 ${http.port}', '127.0.0.1 ${postgres.port}', '127.0.0.1 ${ports.dead}'] },
  admin: { address: ${ports.admin}, token: '${token}' },
  workers: 2,
}
`

describeNeeding(['chromium', 'psql'], "the operator's page", () => {
  let backend: HttpBackend
  let database: PostgresServer
  let gateway: Launched
  let browser: Browser
  let tab: Tab
  let ports: Ports
  let directory: string
  const control = new Control()
  const sockets: Socket[] = []

  beforeAll(async () => {
    backend = await httpBackend('hello')
    database = await postgresServer({ databases: ['alpha'] })
    const [http, postgres, admin, dead] = [
      await findFreePort(),
      await findFreePort(),
      await findFreePort(),
      await findFreePort(),
    ]
    ports = { http, postgres, admin, dead }
    directory = directoryOf({ 'gateway.config.mjs': config(ports, backend, database, await control.open()) })
    gateway = await startGateway({ cwd: directory })
    browser = await launchBrowser()
    tab = await openTab(browser, url())
    await tab.page.locator('#link[data-state=live]').waitFor()
  })

  afterAll(async () => {
    for (const socket of sockets) socket.destroy()
    await browser?.close()
    control.awake()
    await gateway?.stop()
    control.close()
    await backend?.close()
    await database?.stop()
  })

  afterEach(() => expect(tab.complaints).toEqual([]))

  const url = (): string => `http://127.0.0.1:${ports.admin}/`
  const $ = (selector: string): Locator => tab.page.locator(selector)
  const row = (table: string, name: string): Locator => $(`#${table} tbody tr`).filter({ hasText: name })

  /** A client that stays. */
  function client(host: string): Socket {
    const socket = connect(ports.http, '127.0.0.1')
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    sockets.push(socket.on('error', () => undefined))
    return socket
  }

  const closed = (socket: Socket): Promise<void> =>
    new Promise((resolve) => void (socket.closed ? resolve() : socket.resume().once('close', () => resolve())))

  async function press(button: Locator, confirm: string): Promise<void> {
    await button.click()
    await $('#ask-ok').filter({ hasText: confirm }).click()
  }

  it('shows the traffic of all workers as it happens', async () => {
    const clients = Array.from({ length: 12 }, () => client('busy.test'))
    await row('tenants', 'busy.test').filter({ hasText: '12' }).waitFor()
    expect(await row('tenants', 'busy.test').locator('td').nth(1).textContent()).toBe('12')
    expect(await row('listeners', 'http').locator('td').first().textContent()).toBe('12')
    expect(await $('#workers tbody tr').count()).toBe(2)
    for (const socket of clients) socket.destroy()
    await row('listeners', 'http')
      .filter({ has: $('td:nth-child(2):text-is("0")') })
      .waitFor()
  })

  it('shows a wake with its queue, and that it has ended', async () => {
    await $('#backends li').filter({ hasText: 'asleep' }).waitFor()
    const clients = Array.from({ length: 5 }, () => client('sleepy.test'))
    await $('.wake').filter({ hasText: '5 clients wait' }).waitFor()
    expect(await $('.wake').count()).toBe(1)
    clients.pop()?.destroy()
    await $('.wake').filter({ hasText: '4 clients wait' }).waitFor()
    control.awake()
    await $('.wake').waitFor({ state: 'detached' })
    await $('#recent tbody tr').filter({ hasText: 'sleepy' }).filter({ hasText: 'awake' }).waitFor()
    await $('#events li').filter({ hasText: 'sleepy is awake after' }).waitFor()
    await $('#backends li').filter({ hasText: 'awake' }).waitFor()
    for (const socket of clients) socket.destroy()
  })

  it('runs nothing of what a tenant is called', async () => {
    const name = '<img src=x onerror="document.title=1"><b>'
    const { port } = { port: ports.postgres }
    const stranger = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: name })
    await stranger.connect().catch(() => undefined)
    await row('tenants', name).waitFor()
    expect(await row('tenants', name).locator('th').textContent()).toBe(name)
    expect(await tab.page.evaluate('document.querySelectorAll("table img").length')).toBe(0)
    expect(await tab.page.title()).toBe('Gateway')
  })

  it('refuses a wrong token, and keeps the right one', async () => {
    await $('#unlock').click()
    expect(await tab.page.evaluate('document.activeElement.id')).toBe('ask-token')
    await tab.page.keyboard.type('wrong-horse-battery')
    await tab.page.keyboard.press('Enter')
    await $('#ask-error').filter({ hasText: 'This is not the token.' }).waitFor()
    await $('#ask-token').fill(token)
    await $('#ask-ok').click()
    await $('#unlock').filter({ hasText: 'Lock' }).waitFor()
    await $('#link[data-state=live]').waitFor()
    expect(await tab.page.evaluate('JSON.stringify(localStorage) + document.cookie')).toBe('{}')
  })

  it('kills one session of psql, with the error of its protocol', async () => {
    const psql = launch('psql', [database.url('alpha', { port: ports.postgres }), '-c', 'select pg_sleep(60)'])
    await row('tenants', 'alpha').getByRole('button', { name: 'Show sessions of alpha' }).click()
    const kill = row('sessions', 'postgres').getByRole('button', { name: /^Kill session/ })
    // Asking is not doing.
    await kill.click()
    await tab.page.keyboard.press('Escape')
    expect(psql.child.exitCode).toBe(null)
    await press(kill, 'Kill')
    expect((await psql.exited).code).not.toBe(0)
    expect(psql.stderr).toMatch(/terminat|closed/)
    await $('#events li').filter({ hasText: 'operator: kill' }).waitFor()
  })

  it('kills all sessions of a tenant, and no other', async () => {
    const [mine, other] = [client('mine.test'), client('other.test')]
    await row('tenants', 'mine.test').waitFor()
    await press($('#tenants').getByRole('button', { name: 'Kill all sessions of mine.test' }), 'Kill')
    await closed(mine)
    await $('#banner').filter({ hasText: '1 session ended.' }).waitFor()
    expect(other.closed).toBe(false)
    other.destroy()
  })

  it('purges in every worker', async () => {
    await press($('#tenants').getByRole('button', { name: 'Purge mine.test' }), 'Purge')
    await $('#banner').filter({ hasText: 'mine.test is forgotten in 2 workers.' }).waitFor()
    await vi.waitFor(() => expect(control.purged).toContain('mine.test'))
  })

  it('shows a circuit that opens', async () => {
    const timer = setInterval(() => client('dead.test'), 50)
    try {
      await $('#circuits tbody tr')
        .filter({ hasText: `127.0.0.1:${ports.dead}` })
        .filter({ hasText: 'open' })
        .waitFor()
      await $('.tile.alarm').filter({ hasText: 'Circuits open' }).waitFor()
      await $('#events li')
        .filter({ hasText: `the circuit of 127.0.0.1:${ports.dead} is open` })
        .first()
        .waitFor()
    } finally {
      clearInterval(timer)
    }
  })

  it('goes on when a worker dies', async () => {
    const victim = (await statsOf(ports.admin)).workers[0]!
    process.kill(victim.pid, 'SIGKILL')
    await $('#events li').filter({ hasText: 'worker 1 died' }).waitFor()
    await $('#events li').filter({ hasText: 'worker 1 serves again' }).waitFor()
    await row('workers', String(victim.pid)).waitFor({ state: 'detached' })
    await $('#workers tbody tr').nth(1).waitFor()
    expect(await $('#link').getAttribute('data-state')).toBe('live')
  })

  describe('on a phone', () => {
    it.each(['light', 'dark'] as const)('fits, %s', async (colorScheme) => {
      const viewport = { width: 390, height: 844 }
      const phone = await openTab(browser, url(), { viewport, isMobile: true, deviceScaleFactor: 1, colorScheme })
      await phone.page.locator('#tenants tbody tr').nth(1).waitFor()
      await phone.page.getByRole('button', { name: 'Show sessions of mine.test' }).click()
      expect(await phone.page.evaluate('document.documentElement.scrollWidth')).toBe(390)
      const table = phone.page.getByRole('table', { name: 'Tenants, the busiest first' })
      expect(await table.getByRole('row').count()).toBeGreaterThan(2)
      expect(phone.complaints).toEqual([])
      await phone.page.context().close()
    })
  })

  it('says that the gateway is gone, and is there again when that is', async () => {
    const gone = await openTab(browser, url())
    await gone.page.locator('#link[data-state=live]').waitFor()
    await gateway.stop()
    await gone.page.locator('#banner').filter({ hasText: 'Nothing heard for' }).waitFor()
    expect(await gone.page.locator('body').getAttribute('class')).toBe('stale')
    gateway = await startGateway({ cwd: directory })
    await gone.page.locator('#link[data-state=live]').waitFor()
    expect(await gone.page.locator('#banner').isVisible()).toBe(false)
    await gone.page.context().close()
    tab.complaints.length = 0
  })

  it('drains the gateway, which then exits', async () => {
    await $('#link[data-state=live]').waitFor()
    tab.complaints.length = 0
    await press($('#drain'), 'Drain')
    expect(await gateway.exited).toEqual({ code: 0, signal: null })
    tab.complaints.length = 0
  })
})
