import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The tenants of the embedded default: a web server each, and a database each. */
export const tenants = ['alpha', 'beta'] as const

/** A web server on a free loopback port that says whose it is. */
export class EmbeddedTenant {
  readonly name: string
  readonly #server: Server

  constructor(name: string) {
    this.name = name
    this.#server = createServer((request, response) => greet(name, request, response))
    // Longer than the gateway keeps an idle connection, so that it is never this end that closes first.
    this.#server.keepAliveTimeout = 600_000
  }

  /** Settles with the port. */
  open(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(0, '127.0.0.1', () => resolve((this.#server.address() as AddressInfo).port))
    })
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
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
