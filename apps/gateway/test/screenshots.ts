/**
 * Takes the pictures of the operator's page that the docs show: `npm run docs:screenshots`. They are of the embedded default,
 * so its ports must be free.
 */
import { Agent, get } from 'node:http'
import { fileURLToPath } from 'node:url'
import { createConnection } from 'mysql2/promise'
import pg from 'pg'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { embeddedPorts } from '../src/embedded/config.ts'
import { demoPassword, demoUser } from '../src/embedded/plan.ts'
import { launchBrowser, openTab } from './browser.ts'
import { startGateway } from './gateway-process.ts'

const assets = fileURLToPath(new URL('../../../docs/assets/', import.meta.url))
const wide: BrowserContextOptions = { viewport: { width: 1280, height: 860 } }
const loadMs = 75_000
const idleMs = 20_000

const url = `http://127.0.0.1:${embeddedPorts.admin}/`
const tenants = ['alpha', 'beta'] as const
const account = { host: '127.0.0.1', user: demoUser, password: demoPassword }

async function picture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: `${assets}operate-${name}.png` })
}

async function openLive(browser: Browser, options: BrowserContextOptions): Promise<Page> {
  const { page } = await openTab(browser, url, options)
  await page.locator('#link[data-state=live]').waitFor()
  await page.locator('#listeners tbody tr').nth(1).waitFor()
  return page
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Works on until it is told to stop. */
class Load {
  readonly #agent = new Agent({ keepAlive: true })
  #stopped = false
  readonly #clients: Promise<void>[] = []

  databases(count: number): void {
    for (let client = 0; client < count; client++) {
      this.#clients.push(this.#postgres(tenants[client % 3 === 0 ? 1 : 0]))
      if (client % 3 === 0) this.#clients.push(this.#mysql(tenants[client % 2]!))
    }
  }

  web(count: number): void {
    for (let client = 0; client < count; client++) this.#clients.push(this.#http(tenants[client % 3 === 0 ? 1 : 0]))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.allSettled(this.#clients)
    this.#agent.destroy()
  }

  async #postgres(database: string): Promise<void> {
    const client = new pg.Client({ ...account, port: embeddedPorts.postgres, database })
    await client.connect()
    while (!this.#stopped) {
      await client.query('select count(*) from pg_class')
      await pause(20 + Math.random() * 200)
    }
    await client.end()
  }

  async #mysql(database: string): Promise<void> {
    const client = await createConnection({ ...account, port: embeddedPorts.mysql, database, connectTimeout: 60_000 })
    while (!this.#stopped) {
      await client.query('select 1')
      await pause(50 + Math.random() * 300)
    }
    await client.end()
  }

  async #http(tenant: string): Promise<void> {
    while (!this.#stopped) {
      await this.#request(tenant)
      await pause(Math.random() * 250)
    }
  }

  #request(tenant: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const options = {
      host: '127.0.0.1',
      port: embeddedPorts.http,
      agent: this.#agent,
      headers: { host: `${tenant}.localhost` },
    }
    get(options, (response) => response.resume().on('end', resolve)).on('error', reject)
    return promise
  }
}

const gateway = await startGateway({ env: { IDLE_AFTER_MS: String(idleMs) } })
const browser = await launchBrowser()
const load = new Load()
try {
  const light = await openLive(browser, wide)
  await pause(3_000)
  await picture(light, 'asleep')
  load.databases(18)
  await light
    .locator('.wake')
    .filter({ hasText: /\d\d clients wait/ })
    .waitFor()
  await picture(light, 'waking')
  await light.locator('#recent tbody tr:not(.empty)').first().waitFor()
  const dark = await openLive(browser, { ...wide, colorScheme: 'dark' })
  const phone = await openLive(browser, { viewport: { width: 390, height: 844 }, isMobile: true })
  load.web(24)
  await pause(loadMs)
  await picture(light, 'load')
  await picture(dark, 'dark')
  await picture(phone, 'phone')
  await load.stop()
  await light.locator('#backends:not(:has(li:not([data-state=off])))').waitFor({ timeout: 10 * idleMs })
  await picture(light, 'asleep-again')
} finally {
  await browser.close()
  await load.stop()
  await gateway.stop()
}
