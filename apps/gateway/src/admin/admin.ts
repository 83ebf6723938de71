import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Address } from '@proxy/kernel'
import type { StoredMail } from '../embedded/mail-store.ts'
import { mailPage } from './mail-page.ts'
import { prometheusText, prometheusType } from './prometheus.ts'
import { type FleetSnapshot, mergedSamples } from './snapshot.ts'
import { statsOf } from './stats.ts'

export interface AdminSource {
  /** Takes new sessions. */
  readonly ready: boolean
  /** What the embedded mail servers took; undefined: there are none. */
  readonly mails?: readonly StoredMail[] | undefined
  snapshot(): Promise<FleetSnapshot>
}

type Answer = { status: number; type: string; body: string }
type Page = (source: AdminSource, request: IncomingMessage) => Answer | Promise<Answer>

const text = (status: number, body: string): Answer => ({
  status,
  type: 'text/plain; charset=utf-8',
  body: `${body}\n`,
})

const json = (value: unknown): Answer => ({
  status: 200,
  type: 'application/json; charset=utf-8',
  body: `${JSON.stringify(value, undefined, 2)}\n`,
})

const pages: Readonly<Record<string, Page>> = {
  '/healthz': () => text(200, 'ok'),
  '/readyz': (source) => (source.ready ? text(200, 'ready') : text(503, 'not ready')),
  '/metrics': async (source) => ({
    status: 200,
    type: prometheusType,
    body: prometheusText(mergedSamples(await source.snapshot())),
  }),
  '/stats': async (source) => json(statsOf(await source.snapshot())),
  '/mail': ({ mails }, { headers }) => {
    if (mails === undefined) return text(404, 'there is no embedded mail server')
    if (headers.accept?.includes('text/html') !== true) return json({ messages: mails })
    return { status: 200, type: 'text/html; charset=utf-8', body: mailPage(mails) }
  },
}

// Of what a page shows, some was written by strangers.
const guarding = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
  'x-content-type-options': 'nosniff',
}

/** Health, metrics, statistics and the mail of the embedded default over HTTP. It has no authentication: keep it on loopback. */
export class AdminServer {
  readonly #server: Server
  readonly #source: AdminSource

  constructor(source: AdminSource) {
    this.#source = source
    this.#server = createServer((request, response) => void this.#serve(request, response))
    this.#server.headersTimeout = 10_000
    this.#server.requestTimeout = 10_000
  }

  /** Rejects with the system's error when the address cannot be bound. */
  open(address: Address): Promise<Address> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      // Exclusive: under node:cluster the primary alone listens here.
      this.#server.listen({ ...address, exclusive: true }, () => {
        this.#server.off('error', reject)
        resolve({ host: address.host, port: (this.#server.address() as AddressInfo).port })
      })
    })
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume()
    const { status, type, body } = await this.#answer(request).catch(() => text(500, 'internal error'))
    const headers = { 'content-type': type, 'content-length': Buffer.byteLength(body), ...guarding }
    response.writeHead(status, status === 405 ? { ...headers, allow: 'GET, HEAD' } : headers)
    response.end(request.method === 'HEAD' ? undefined : body)
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'only GET and HEAD')
    const path = (request.url ?? '/').split('?', 1)[0]!
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined
    return page === undefined ? text(404, `try ${Object.keys(pages).join(', ')}`) : page(this.#source, request)
  }
}
