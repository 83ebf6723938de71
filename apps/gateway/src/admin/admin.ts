import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Address } from '@proxy/kernel'
import type { StoredMail } from '../embedded/mail-store.ts'
import { Access, type AccessOptions, type Refusal } from './access.ts'
import { type Answer, json, problem, text } from './answer.ts'
import { EventStream } from './api/event-stream.ts'
import type { Operator } from './api/operator.ts'
import { accessPath, acts, apiPrefix, bodyOf, eventsPath, reads } from './api/routes.ts'
import { pageFiles } from './page-files.ts'
import { guardedPages, openPages } from './plain-pages.ts'
import type { FleetSnapshot } from './snapshot.ts'

export interface AdminSource {
  /** Takes new sessions. */
  readonly ready: boolean
  /** What the embedded mail servers took; undefined: there are none. */
  readonly mails?: readonly StoredMail[] | undefined
  readonly operator: Operator
  snapshot(): Promise<FleetSnapshot>
}

// Of what a page shows, some was written by strangers.
const guarding: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** The operator's page, its API, health, metrics, statistics and the mail of the embedded default, over HTTP. */
export class AdminServer {
  readonly #server: Server
  readonly #source: AdminSource
  readonly #access: Access
  readonly #stream: EventStream
  readonly #files: ReadonlyMap<string, Answer> = pageFiles()

  constructor(source: AdminSource, access: AccessOptions) {
    this.#source = source
    this.#access = new Access(access)
    this.#stream = new EventStream(source.operator)
    this.#server = createServer((request, response) => void this.#serve(request, response))
    this.#server.headersTimeout = 10_000
    this.#server.requestTimeout = 10_000
  }

  /** Rejects with the system's error when the address cannot be bound. */
  open(address: Address): Promise<Address> {
    this.#access.boundTo(address)
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
    this.#stream.close()
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on('error', () => undefined)
    const answer = await this.#answer(request, response).catch(() => text(500, 'internal error'))
    if (answer === undefined) return
    request.resume()
    const { status, type, body, headers } = answer
    response.writeHead(status, {
      'content-type': type,
      'content-length': Buffer.byteLength(body),
      ...guarding,
      ...headers,
    })
    response.end(request.method === 'HEAD' ? undefined : body)
  }

  /** undefined: the response is a stream that goes on. */
  async #answer(request: IncomingMessage, response: ServerResponse): Promise<Answer | undefined> {
    const [path = '/', query] = (request.url ?? '/').split('?', 2)
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    const open = own(openPages, path)
    if (open !== undefined) return isRead ? open(this.#source, request) : notAllowed('GET, HEAD')
    const foreign = this.#access.foreign(request)
    if (foreign !== undefined) return refused(foreign)
    const act = own(acts, path)
    if (act !== undefined) return request.method === 'POST' ? this.#act(act, request) : notAllowed('POST')
    if (!isRead) return notAllowed('GET, HEAD')
    if (path === eventsPath) return this.#follow(request, response)
    return this.#read(path, new URLSearchParams(query), request)
  }

  async #read(path: string, query: URLSearchParams, request: IncomingMessage): Promise<Answer> {
    const file = this.#files.get(path)
    if (file !== undefined) return file
    const [read, page] = [own(reads, path), own(guardedPages, path)]
    if (read === undefined && page === undefined) return notFound(path)
    const refusal = path === accessPath ? undefined : this.#access.reading(request)
    if (refusal !== undefined) return refused(refusal)
    if (page !== undefined) return page(this.#source, request)
    return read!({ request, query, operator: this.#source.operator, access: this.#access })
  }

  async #act(act: (typeof acts)[string], request: IncomingMessage): Promise<Answer> {
    const refusal = this.#access.operating(request)
    if (refusal !== undefined) return refused(refusal)
    const read = await bodyOf(request)
    return 'problem' in read ? read.problem : act(this.#source.operator, read.json)
  }

  #follow(request: IncomingMessage, response: ServerResponse): Answer | undefined {
    const refusal = this.#access.reading(request)
    if (refusal !== undefined) return refused(refusal)
    if (this.#stream.full) return problem(503, 'too many clients follow the events')
    this.#stream.add(request, response)
    return undefined
  }
}

const own = <T>(table: Readonly<Record<string, T>>, path: string): T | undefined =>
  Object.hasOwn(table, path) ? table[path] : undefined

function refused({ status, error, hint }: Refusal): Answer {
  const answer = json({ error, hint }, status)
  return status === 401 ? { ...answer, headers: { 'www-authenticate': 'Bearer realm="gateway"' } } : answer
}

const notAllowed = (allow: string): Answer => ({ ...text(405, `only ${allow}`), headers: { allow } })

function notFound(path: string): Answer {
  if (path.startsWith('/api/')) return problem(404, 'there is no such path', `See ${apiPrefix}/overview.`)
  return text(404, `try /, ${[...Object.keys(openPages), ...Object.keys(guardedPages)].join(', ')}`)
}
