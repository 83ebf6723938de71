import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { transportUnderTest } from '@proxy/test-servers/transport'
import type { GatewayOptions, Protocol } from '../src/contracts.ts'
import { Gateway } from '../src/gateway.ts'

type Cleanup = () => unknown

/** One line names the tenant, then bytes are relayed, that line included. */
export function lines(overrides: Partial<Protocol> = {}): Protocol {
  return {
    api: 1,
    name: 'lines',
    speaksFirst: 'client',
    async serve(session) {
      const first = await session.client.peek((bytes) => bytes.indexOf(10) + 1)
      await session.relay(await session.route(first.toString().trim()))
    },
    refuse: (error) => `ERR ${error.code}\n`,
    ...overrides,
  }
}

/** Real sockets around a gateway, all of which are closed again by `close`. */
export class Scene {
  readonly #cleanups: Cleanup[] = []

  /** The port of a server that does so with every connection. */
  async server(onSocket: (socket: Socket) => void): Promise<number> {
    const made = createServer((socket) => {
      socket.on('error', () => {})
      this.#cleanups.push(() => socket.destroy())
      onSocket(socket)
      socket.resume()
    }).listen(0, '127.0.0.1')
    await once(made, 'listening')
    this.#cleanups.push(() => made.close())
    return (made.address() as { port: number }).port
  }

  echo(): Promise<number> {
    return this.server((socket) => socket.pipe(socket))
  }

  async gateway(options: Partial<GatewayOptions> & Pick<GatewayOptions, 'resolver'>): Promise<Gateway> {
    const made = new Gateway({
      listeners: [{ address: '127.0.0.1:0', protocol: lines() }],
      guard: false,
      transport: transportUnderTest(),
      ...options,
    })
    await made.open()
    this.#cleanups.push(() => made.close())
    return made
  }

  client({ addresses }: Gateway, listener = 0): Socket {
    const socket = connect(addresses[listener]?.port ?? 0, '127.0.0.1')
    socket.on('error', () => {})
    this.#cleanups.push(() => socket.destroy())
    return socket
  }

  /** Says a line and gives the first answer. */
  async ask(socket: Socket, line: string): Promise<string> {
    socket.write(`${line}\n`)
    const [answer] = await once(socket, 'data')
    return String(answer).trim()
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup()
  }
}
