import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A `node:http` server on a free loopback port. */
export class HttpBackend {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly server: Server
  /** The requests so far, in order of their heads. */
  readonly requests: IncomingMessage[] = []

  /** Use {@link httpBackend}. */
  constructor(server: Server) {
    this.server = server
    this.port = (server.address() as AddressInfo).port
    server.prependListener('request', (request) => this.requests.push(request))
  }

  /** `host:port`, as a resolver answers it. */
  get endpoint(): string {
    return `${this.host}:${this.port}`
  }

  /** Stops listening and breaks off what is open. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()))
    this.server.closeAllConnections()
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** Starts a backend: with a name it answers every request with that name as text, else with the handler. */
export async function httpBackend(answer: string | RequestListener): Promise<HttpBackend> {
  const handler: RequestListener =
    typeof answer === 'function'
      ? answer
      : (request, response) => void request.resume().once('end', () => response.end(answer))
  const server = createServer(handler)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return new HttpBackend(server)
}
