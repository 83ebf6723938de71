import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { LocalServer } from '@proxy/resolver-process'

/** A web server on loopback that says whose it is. */
export class WebServer implements LocalServer {
  readonly #tenant: string
  readonly #port: number
  #server: Server | undefined

  constructor(tenant: string, port: number) {
    this.#tenant = tenant
    this.#port = port
  }

  start(): Promise<string> {
    const server = createServer((request, response) => greet(this.#tenant, request, response))
    // Longer than the gateway keeps an idle connection, so that it is never this end that closes first.
    server.keepAliveTimeout = 600_000
    this.#server = server
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#port, '127.0.0.1', () => resolve(`127.0.0.1:${this.#port}`))
    })
  }

  stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server?.listening !== true) return Promise.resolve()
    return new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  }

  /** It goes with the process. */
  kill(): void {}
}

function greet(name: string, request: IncomingMessage, response: ServerResponse): void {
  request.resume()
  const body = `Hello from ${name}. You asked for ${request.url}\n`
  response.writeHead(200, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'x-tenant': name,
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}
