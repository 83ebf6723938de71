import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server as TcpServer,
  type Socket,
} from 'node:net'
import { Gateway, type GatewayOptions, type HookMap, ResolveError } from '@proxy/kernel'
import { transportUnderTest } from '@proxy/test-servers/transport'
import { onTestFinished } from 'vitest'
import { http, type HttpOptions } from '../src/index.ts'

const portOf = (server: TcpServer): number => (server.address() as AddressInfo).port

export async function listen(server: TcpServer): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
  })
  return portOf(server)
}

/** A backend of Node's own HTTP server. */
export async function nodeBackend(
  listener: RequestListener,
  set: (server: Server) => void = () => {},
): Promise<number> {
  const server = createServer(listener)
  set(server)
  const port = await listen(server)
  onTestFinished(() => server.closeAllConnections())
  return port
}

/** A backend that speaks for itself, byte by byte. */
export async function rawBackend(onSocket: (socket: Socket, index: number) => void): Promise<number> {
  let count = 0
  const sockets = new Set<Socket>()
  const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onSocket(socket, count++)
  })
  const port = await listen(server)
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
  })
  return port
}

/** Answers each request that arrives on the socket, head by head, with the next of `answers`; the last one again and again. */
export function answering(socket: Socket, ...answers: string[]): void {
  let text = ''
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1')
    for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
      text = text.slice(end + 4)
      socket.write(answers.length > 1 ? answers.shift()! : answers[0]!, 'latin1')
    }
  })
}

export const ok = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`

export interface Running {
  readonly gateway: Gateway
  readonly port: number
  readonly url: string
  readonly ends: HookMap['session:end'][]
  readonly dials: HookMap['dial:end'][]
  readonly errors: unknown[]
}

/** A gateway in front of one backend port; the host `nobody` is unknown to it. */
export async function gateway(
  backend: number,
  options: HttpOptions = {},
  more: Partial<GatewayOptions> | ((options: HttpOptions) => Partial<GatewayOptions>) = {},
): Promise<Running> {
  const made = new Gateway({
    listeners: [{ address: '127.0.0.1:0', protocol: http(options) }],
    resolver: ({ key }) => {
      if (key === 'nobody') throw new ResolveError('NOT_FOUND')
      return `127.0.0.1:${backend}`
    },
    guard: false,
    transport: transportUnderTest(),
    ...(typeof more === 'function' ? more(options) : more),
  })
  const running = { gateway: made, ends: [], dials: [], errors: [] } as unknown as Omit<Running, 'port' | 'url'>
  made.hooks.on('session:end', (event) => running.ends.push(event))
  made.hooks.on('dial:end', (event) => running.dials.push(event))
  made.hooks.on('gateway:error', ({ error }) => running.errors.push(error))
  await made.open()
  onTestFinished(() => made.close())
  const port = made.addresses[0]!.port
  return { ...running, port, url: `http://127.0.0.1:${port}` }
}

/** A client that writes bytes and waits for bytes. */
export class RawClient {
  readonly socket: Socket
  received = ''
  closed = false
  ended = false
  readonly #changed = new Set<() => void>()

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    this.socket.on('error', () => {})
    this.socket.on('data', (bytes: Buffer) => {
      this.received += bytes.toString('latin1')
      this.#notify()
    })
    this.socket.on('end', () => {
      this.ended = true
      this.#notify()
    })
    this.socket.on('close', () => {
      this.closed = true
      this.#notify()
    })
    onTestFinished(() => {
      this.socket.destroy()
    })
  }

  send(text: string): this {
    this.socket.write(text, 'latin1')
    return this
  }

  /** Settles with everything received once it contains `text` (or matches). */
  async receives(text: string | RegExp): Promise<string> {
    const found = (): boolean => (typeof text === 'string' ? this.received.includes(text) : text.test(this.received))
    await this.#until(() => found() || this.closed || this.ended)
    if (!found()) throw new Error(`closed before ${String(text)}; received ${JSON.stringify(this.received)}`)
    return this.received
  }

  /** Settles with everything received once the other side has ended. */
  async ends(): Promise<string> {
    await this.#until(() => this.ended || this.closed)
    return this.received
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#changed.add(resolve))
  }

  #notify(): void {
    for (const resolve of this.#changed) resolve()
    this.#changed.clear()
  }
}

/** Waits for what no event announces. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}
