import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { KubeConfig } from '@kubernetes/client-node'
import { type ApiObject, type Change, merged, ObjectStore, selects } from './api-objects.ts'

const TYPES: Readonly<Record<string, { readonly kind: string; readonly apiVersion: string }>> = {
  services: { kind: 'Service', apiVersion: 'v1' },
  endpointslices: { kind: 'EndpointSlice', apiVersion: 'discovery.k8s.io/v1' },
  deployments: { kind: 'Deployment', apiVersion: 'apps/v1' },
  statefulsets: { kind: 'StatefulSet', apiVersion: 'apps/v1' },
  leases: { kind: 'Lease', apiVersion: 'coordination.k8s.io/v1' },
}

interface Target {
  readonly group: string
  readonly namespace: string | undefined
  readonly resource: string
  readonly name: string | undefined
  readonly subresource: string | undefined
}

/**
 * The part of the API server that the resolver speaks to: list, watch with versions, bookmarks and 410, merge patches with a
 * precondition, the scale subresource, Leases, and `Status` bodies for errors.
 */
export class ApiStandIn {
  readonly objects: ObjectStore = new ObjectStore()
  /** `VERB resource` of each request. */
  readonly requests: string[] = []
  /** `verb resource` that the account may not do. */
  readonly forbidden: Set<string> = new Set()
  /** Run once, right before the next change of a scale is applied. */
  beforeScale: (() => void) | undefined
  readonly #watches = new Set<ServerResponse>()
  #server: Server | undefined
  #port = 0

  get watches(): number {
    return this.#watches.size
  }

  get config(): KubeConfig {
    const config = new KubeConfig()
    const cluster = { name: 'stand-in', skipTLSVerify: true, server: `http://127.0.0.1:${this.#port}` }
    config.loadFromClusterAndUser(cluster, { name: 'gateway', token: 'secret' })
    config.contexts = [
      { ...config.contexts[0], name: 'test', cluster: 'stand-in', user: 'gateway', namespace: 'tenants' },
    ]
    config.currentContext = 'test'
    return config
  }

  async open(): Promise<void> {
    const server = createServer((request, response) => void this.#answer(request, response))
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve))
    this.#server = server
    this.#port = (server.address() as AddressInfo).port
  }

  async away(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeAllConnections()
    await closed
  }

  /** Watches end, as they do every few minutes. */
  endWatches(): void {
    for (const response of this.#watches) response.end()
  }

  /** Tells every watch how far it is. */
  bookmark(): void {
    const metadata = { resourceVersion: String(this.objects.version) }
    for (const response of this.#watches) write(response, 'BOOKMARK', { kind: 'Service', metadata })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const url = new URL(request.url ?? '/', 'http://api')
    const target = targetOf(url.pathname)
    const body: unknown = chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString())
    if (request.headers.authorization !== 'Bearer secret') return fail(response, 401, 'Unauthorized', 'Unauthorized')
    if (target === undefined || TYPES[target.resource] === undefined)
      return fail(response, 404, 'NotFound', 'not found')
    const verb = verbOf(request, url, target)
    const resource = target.subresource === undefined ? target.resource : `${target.resource}/${target.subresource}`
    this.requests.push(`${verb} ${resource}`)
    if (this.forbidden.has(`${verb} ${resource}`)) {
      const who = 'User "system:serviceaccount:tenants:gateway"'
      return fail(
        response,
        403,
        'Forbidden',
        `${who} cannot ${verb} resource "${resource}" in API group "${target.group}"`,
      )
    }
    if (verb === 'list') return this.#list(target, url.searchParams, response)
    if (verb === 'watch') return this.#watch(target, url.searchParams, response)
    if (verb === 'create') return this.#create(target, body as ApiObject, response)
    return this.#one(target, verb, request, body, response)
  }

  #list({ resource, namespace }: Target, query: URLSearchParams, response: ServerResponse): void {
    const items = this.objects
      .list(resource, namespace)
      .filter(({ metadata }) => selects(query.get('labelSelector'), metadata.labels))
    const { kind, apiVersion } = TYPES[resource] ?? {}
    send(response, 200, {
      kind: `${kind}List`,
      apiVersion,
      metadata: { resourceVersion: String(this.objects.version) },
      items,
    })
  }

  #watch({ resource, namespace }: Target, query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get('resourceVersion') ?? 0)
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.flushHeaders()
    if (from < this.objects.compacted) {
      const message = `too old resource version: ${from} (${this.objects.compacted})`
      write(response, 'ERROR', { kind: 'Status', status: 'Failure', reason: 'Expired', code: 410, message })
      response.end()
      return
    }
    const deliver = (change: Change): void => {
      const { metadata } = change.object
      if (change.resource !== resource || (namespace ?? metadata.namespace) !== metadata.namespace) return
      if (selects(query.get('labelSelector'), metadata.labels)) write(response, change.type, change.object)
    }
    for (const change of this.objects.since(from)) deliver(change)
    const unwatch = this.objects.onChange(deliver)
    this.#watches.add(response)
    response.once('close', () => {
      unwatch()
      this.#watches.delete(response)
    })
  }

  #create({ resource, namespace = '' }: Target, body: ApiObject, response: ServerResponse): void {
    const { name } = body.metadata
    const known = this.objects.get(resource, namespace, name)
    if (known !== undefined) return fail(response, 409, 'AlreadyExists', `${resource} "${name}" already exists`)
    send(response, 201, this.objects.put(resource, { ...body, metadata: { ...body.metadata, namespace } }))
  }

  #one(target: Target, verb: string, request: IncomingMessage, body: unknown, response: ServerResponse): void {
    const { resource, namespace = '', name = '', subresource } = target
    if (verb === 'patch' && subresource === 'scale') {
      this.beforeScale?.()
      this.beforeScale = undefined
    }
    const known = this.objects.get(resource, namespace, name)
    if (known === undefined) return fail(response, 404, 'NotFound', `${resource} "${name}" not found`)
    const seen = subresource === 'scale' ? scaleOf(known) : known
    if (verb === 'get') return send(response, 200, seen)
    if (request.headers['content-type'] !== 'application/merge-patch+json') {
      return fail(response, 415, 'UnsupportedMediaType', 'the body of the request was in an unknown format')
    }
    const patched = merged(seen, body) as ApiObject
    if (patched.metadata.resourceVersion !== known.metadata.resourceVersion) {
      const why = 'the object has been modified; please apply your changes to the latest version and try again'
      return fail(response, 409, 'Conflict', `Operation cannot be fulfilled on ${resource} "${name}": ${why}`)
    }
    const replicas = patched.spec?.['replicas']
    const stored = subresource === 'scale' ? { ...known, spec: { ...known.spec, replicas } } : patched
    const result = this.objects.put(resource, stored)
    send(response, 200, subresource === 'scale' ? scaleOf(result) : result)
  }
}

function targetOf(path: string): Target | undefined {
  const [, group = '', namespace, resource = '', name, subresource] =
    /^\/(?:api\/v1|apis\/([\w.]+)\/v1)(?:\/namespaces\/([^/]+))?\/(\w+)(?:\/([^/]+))?(?:\/(\w+))?$/.exec(path) ?? []
  return resource === '' ? undefined : { group, namespace, resource, name, subresource }
}

function verbOf({ method }: IncomingMessage, url: URL, { name }: Target): string {
  if (method === 'GET' && name === undefined) return url.searchParams.get('watch') === 'true' ? 'watch' : 'list'
  return { GET: 'get', POST: 'create', PATCH: 'patch' }[method ?? ''] ?? 'unknown'
}

function scaleOf({ metadata, spec }: ApiObject): ApiObject {
  const { name, namespace, resourceVersion = '' } = metadata
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, resourceVersion },
    spec: { replicas: spec?.['replicas'] },
    status: { replicas: spec?.['replicas'] },
  }
}

function write(response: ServerResponse, type: string, object: object): void {
  if (!response.writableEnded) response.write(`${JSON.stringify({ type, object })}\n`)
}

function send(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value))
}

function fail(response: ServerResponse, code: number, reason: string, message: string): void {
  send(response, code, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason, message, code })
}
