import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

/** A `node:net` server on a free loopback port. */
export class TcpBackend {
  readonly host = '127.0.0.1'
  readonly port: number
  /** Sockets accepted so far, closed ones included. */
  readonly sockets: Socket[] = []
  readonly #server: Server

  /** Use {@link tcpBackend}. */
  constructor(server: Server) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    server.prependListener('connection', (socket) => this.sockets.push(socket))
  }

  /** `host:port`, as a resolver answers it. */
  get endpoint(): string {
    return `${this.host}:${this.port}`
  }

  /** Stops listening and breaks off what is open. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.sockets) socket.destroy()
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** Starts a backend of raw bytes; sockets are half-open. Errors of a socket are left to its `close` event. */
export async function tcpBackend(serve: (socket: Socket) => void): Promise<TcpBackend> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => undefined)
    serve(socket)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return new TcpBackend(server)
}

/** Sends everything back, the end included. */
export const echo = (socket: Socket): void => void socket.pipe(socket)
