import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Said {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export type Reply = (said: Said, response: ServerResponse) => void

/** A control plane on loopback that answers as it is told, and remembers what it was asked. */
export class ControlPlaneServer implements AsyncDisposable {
  readonly asked: Said[] = []
  reply: Reply = (_said, response) => void response.writeHead(404).end()
  connections = 0
  readonly #server: Server

  constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response))
    this.#server.on('connection', () => this.connections++)
  }

  async open(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return this
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** The same JSON for every question. */
  says(value: unknown, headers: Record<string, string> = {}, status = 200): void {
    this.reply = (_said, response) => void response.writeHead(status, headers).end(JSON.stringify(value))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method = '', url = '', headers } = request
    const said = { method, url, headers, body: Buffer.concat(chunks).toString() }
    this.asked.push(said)
    this.reply(said, response)
  }
}
