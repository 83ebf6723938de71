import { execFileSync } from 'node:child_process'
import { programEnv } from '@proxy/test-servers'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

// No word to the world outside: what is tested is on this machine.
const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** The installed Chromium, headless. */
export function launchBrowser(): Promise<Browser> {
  const executablePath = execFileSync('sh', ['-c', 'command -v chromium'], { env: programEnv, encoding: 'utf8' }).trim()
  return chromium.launch({ executablePath, args })
}

/** A tab, and what it complained of: errors, violations of the content security policy, requests to elsewhere. */
export interface Tab {
  readonly page: Page
  readonly complaints: string[]
}

export async function openTab(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Tab> {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  page.setDefaultTimeout(20_000)
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('request', (request) => {
    if (!request.url().startsWith(url)) complaints.push(`asked ${request.url()}`)
  })
  await page.goto(url)
  return { page, complaints }
}
