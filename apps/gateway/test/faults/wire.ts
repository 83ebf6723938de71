import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/**
 * What a wire does to connections. `trickle`: a few bytes at a time come from the backend. `reset`: the
 * connection breaks off with RST behind so many bytes of the backend; 0: as it is accepted.
 */
export type WireFault = { readonly trickle: number } | { readonly resetAfter: number }

/** Stands in front of a real server and does to its connections what networks do. */
export class Wire {
  readonly #target: number
  #server: Server | undefined
  #port = 0
  readonly #sockets = new Set<Socket>()
  #fault: WireFault | undefined
  /** Connections so far. */
  accepted = 0

  /** Use {@link wire}. */
  constructor(target: number) {
    this.#target = target
  }

  get port(): number {
    return this.#port
  }

  async up(): Promise<void> {
    if (this.#server !== undefined) return
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.#accept(socket))
    this.#server = server
    await once(server.listen(this.#port, '127.0.0.1'), 'listening')
    this.#port = (server.address() as AddressInfo).port
  }

  /** Stops listening and resets what is open. */
  async down(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    const closed = once(server, 'close')
    server.close()
    for (const socket of this.#sockets) socket.resetAndDestroy()
    await closed
  }

  /** From now on; what was open before is reset. */
  async break(fault: WireFault): Promise<void> {
    await this.down()
    this.#fault = fault
    await this.up()
  }

  async mend(): Promise<void> {
    await this.down()
    this.#fault = undefined
    await this.up()
  }

  #accept(client: Socket): void {
    this.accepted++
    if (this.#fault !== undefined && 'resetAfter' in this.#fault && this.#fault.resetAfter === 0) {
      client.on('error', () => {})
      return void client.resetAndDestroy()
    }
    const backend = connect({ port: this.#target, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    this.#keep(client, backend)
    this.#keep(backend, client)
    client.pipe(backend)
    let left =
      this.#fault !== undefined && 'resetAfter' in this.#fault ? this.#fault.resetAfter : Number.POSITIVE_INFINITY
    const chunk = this.#fault !== undefined && 'trickle' in this.#fault ? this.#fault.trickle : undefined
    if (chunk !== undefined) return void trickle(backend, client, chunk)
    backend.on('data', (bytes: Buffer) => {
      client.write(bytes.subarray(0, left))
      left -= bytes.length
      // What was written is on its way: the reset follows it.
      if (left <= 0) setImmediate(() => client.resetAndDestroy())
    })
    backend.once('end', () => client.end())
  }

  #keep(socket: Socket, other: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#sockets.delete(socket)
      other.destroy()
    })
  }
}

async function trickle(from: Socket, to: Socket, chunk: number): Promise<void> {
  try {
    for await (const bytes of from) {
      for (let at = 0; at < (bytes as Buffer).length; at += chunk) {
        to.write((bytes as Buffer).subarray(at, at + chunk))
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
    }
    to.end()
  } catch {
    to.destroy()
  }
}

export async function wire(target: number): Promise<Wire> {
  const made = new Wire(target)
  await made.up()
  return made
}
