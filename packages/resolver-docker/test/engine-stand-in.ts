import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type ContainerOptions, ProcessContainer } from './process-container.ts'

type Filters = Readonly<Record<string, readonly string[]>>

interface Listener {
  readonly response: ServerResponse
  readonly filters: Filters
}

export interface StandInOptions {
  /** Path of a socket; else a TCP port of 127.0.0.1. */
  readonly socketPath?: string | undefined
  readonly tls?: ServerOptions | undefined
  readonly apiVersion?: string | undefined
  readonly minApiVersion?: string | undefined
}

/**
 * The part of the Docker Engine API (v1.47) that concerns containers and events, with its status codes and its error bodies.
 * Its "containers" are child processes on ports of this machine.
 */
export class EngineStandIn {
  readonly containers: Map<string, ProcessContainer> = new Map()
  /** `METHOD path` of each request, without version and query. */
  readonly requests: string[] = []
  /** Answered in place of everything: status and message. */
  broken: readonly [status: number, message: string] | undefined
  /** Events are held back for ever. */
  muted = false
  readonly #options: StandInOptions
  readonly #listeners = new Set<Listener>()
  #server: Server | undefined

  constructor(options: StandInOptions = {}) {
    this.#options = options
  }

  get host(): string {
    if (this.#options.socketPath !== undefined) return `unix://${this.#options.socketPath}`
    const address = this.#server?.address() as AddressInfo | undefined
    return `tcp://127.0.0.1:${address?.port}`
  }

  /** How many streams of events are open. */
  get streams(): number {
    return this.#listeners.size
  }

  async open(port = 0): Promise<void> {
    const { tls, socketPath } = this.#options
    const handle = (request: IncomingMessage, response: ServerResponse): void => void this.#answer(request, response)
    const server = tls === undefined ? createServer(handle) : createTlsServer(tls, handle)
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      if (socketPath === undefined) server.listen(port, '127.0.0.1', resolve)
      else server.listen(socketPath, resolve)
    })
  }

  /** The engine goes away; containers run on. */
  async away(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeAllConnections()
    await closed
  }

  async close(): Promise<void> {
    await this.away()
    await Promise.all([...this.containers.values()].map((container) => container.stop(500)))
  }

  create(options: ContainerOptions): ProcessContainer {
    const container = new ProcessContainer(options, (action, { id }) => this.#emit(action, id))
    this.containers.set(container.id, container)
    this.#emit('create', container.id)
    return container
  }

  async remove(container: ProcessContainer): Promise<void> {
    await container.stop(500)
    this.#emit('destroy', container.id)
    this.containers.delete(container.id)
  }

  rename(container: ProcessContainer, name: string): void {
    container.name = name
    this.#emit('rename', container.id)
  }

  #emit(action: string, id: string): void {
    const container = this.containers.get(id)
    if (container === undefined || this.muted) return
    const attributes = { ...container.options.labels, image: 'tenant', name: container.name }
    const now = Date.now()
    const event = {
      status: action,
      id,
      from: 'tenant',
      Type: 'container',
      Action: action,
      Actor: { ID: id, Attributes: attributes },
      scope: 'local',
      time: Math.floor(now / 1_000),
      timeNano: now * 1_000_000,
    }
    for (const { response, filters } of this.#listeners) {
      if (matches(filters, action, container)) writeInPieces(response, `${JSON.stringify(event)}\n`)
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { apiVersion = '1.47', minApiVersion = '1.24' } = this.#options
    const url = new URL(request.url ?? '/', 'http://engine')
    const [, version, path = ''] = /^(?:\/v(\d+\.\d+))?(\/.*)$/.exec(url.pathname) ?? []
    this.requests.push(`${request.method} ${path}`)
    response.setHeader('Api-Version', apiVersion)
    if (this.broken !== undefined) return fail(response, ...this.broken)
    if (version !== undefined && minor(version) > minor(apiVersion)) {
      return fail(response, 400, `client version ${version} is too new. Maximum supported API version is ${apiVersion}`)
    }
    if (version !== undefined && minor(version) < minor(minApiVersion)) {
      return fail(
        response,
        400,
        `client version ${version} is too old. Minimum supported API version is ${minApiVersion}`,
      )
    }
    return this.#route(`${request.method} ${path}`, url.searchParams, response)
  }

  async #route(what: string, query: URLSearchParams, response: ServerResponse): Promise<void> {
    if (what === 'GET /_ping') return void response.end('OK')
    if (what === 'GET /version') return json(response, { ApiVersion: this.#options.apiVersion ?? '1.47' })
    const filters = JSON.parse(query.get('filters') ?? '{}') as Filters
    if (what === 'GET /containers/json') return json(response, this.#list(filters, query.get('all') === '1'))
    if (what === 'GET /events') return this.#stream(filters, response)
    const [, method, id = '', action] = /^(GET|POST) \/containers\/([^/]+)\/(\w+)$/.exec(what) ?? []
    if (method === undefined) return fail(response, 404, 'page not found')
    const container = this.#find(decodeURIComponent(id))
    if (container === undefined) return fail(response, 404, `No such container: ${id}`)
    if (method === 'GET') return json(response, container.inspect())
    return this.#act(container, action ?? '', query, response)
  }

  async #act(
    container: ProcessContainer,
    action: string,
    query: URLSearchParams,
    response: ServerResponse,
  ): Promise<void> {
    const { startFails } = container.options
    if (action === 'start' && startFails !== undefined) return fail(response, 500, startFails)
    if (action === 'start') return done(response, container.start(), 304)
    if (action === 'stop') return done(response, await container.stop(Number(query.get('t') ?? 10) * 1_000), 304)
    const changed = action === 'pause' ? container.pause() : container.unpause()
    if (changed) return done(response, true, 304)
    return fail(response, 409, `Container ${container.id} is not ${action === 'pause' ? 'running' : 'paused'}`)
  }

  #find(reference: string): ProcessContainer | undefined {
    return this.containers.get(reference) ?? [...this.containers.values()].find(({ name }) => name === reference)
  }

  #list(filters: Filters, all: boolean): object[] {
    return [...this.containers.values()]
      .filter(({ status }) => all || status === 'running' || status === 'paused')
      .filter((container) => hasLabels(filters['label'], container))
      .map(({ id, name, status, options }) => ({
        Id: id,
        Names: [`/${name}`],
        State: status,
        Labels: options.labels ?? {},
      }))
  }

  #stream(filters: Filters, response: ServerResponse): void {
    const listener = { response, filters }
    this.#listeners.add(listener)
    response.once('close', () => this.#listeners.delete(listener))
    response.setHeader('Content-Type', 'application/json')
    response.flushHeaders()
  }
}

const minor = (version: string): number => Number(version.split('.')[1])

function matches(filters: Filters, action: string, container: ProcessContainer): boolean {
  const [type = ['container'], events] = [filters['type'], filters['event']]
  const kind = action.split(':')[0] ?? action
  return type.includes('container') && (events?.includes(kind) ?? true) && hasLabels(filters['label'], container)
}

function hasLabels(wanted: readonly string[] | undefined, { options }: ProcessContainer): boolean {
  return (wanted ?? []).every((label) => {
    const [name = '', value] = label.split('=')
    const has = options.labels?.[name]
    return has !== undefined && (value === undefined || has === value)
  })
}

/** Chunks end anywhere, within a character too. */
function writeInPieces(response: ServerResponse, text: string): void {
  const bytes = Buffer.from(text)
  const middle = Math.floor(bytes.length / 2)
  response.write(bytes.subarray(0, middle))
  response.write(bytes.subarray(middle))
}

function json(response: ServerResponse, value: unknown): void {
  response.setHeader('Content-Type', 'application/json').end(JSON.stringify(value))
}

function done(response: ServerResponse, changed: boolean, otherwise: number): void {
  response.writeHead(changed ? 204 : otherwise).end()
}

function fail(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ message }))
}
