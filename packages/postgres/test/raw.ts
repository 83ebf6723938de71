import { once } from 'node:events'
import net from 'node:net'
import nodeTls from 'node:tls'
import { encodeRequest, requestCodes } from '../src/wire.ts'

export interface RawTlsOptions extends nodeTls.ConnectionOptions {
  /** TLS from the first byte, without an SSLRequest. */
  readonly direct?: boolean
}

/** A TLS connection as a client of PostgreSQL makes it. Rejects when the handshake fails. */
export async function connectTls(port: number, options: RawTlsOptions): Promise<nodeTls.TLSSocket> {
  const socket = net.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  if (options.direct !== true) {
    socket.write(encodeRequest(requestCodes.ssl))
    const [answer] = (await once(socket, 'data')) as [Buffer]
    if (answer.toString('latin1') !== 'S') throw new Error(`the answer to SSLRequest was ${answer.toString('latin1')}`)
  }
  const secured = nodeTls.connect({ ...options, socket })
  await once(secured, 'secureConnect')
  return secured
}

/** Sends bytes and collects what comes until the other end closes. */
export async function exchange(port: number, bytes: Uint8Array): Promise<Buffer> {
  const socket = net.connect(port, '127.0.0.1')
  const closed = once(socket, 'close')
  const parts: Buffer[] = []
  socket.on('data', (part) => parts.push(part))
  socket.on('error', () => undefined)
  socket.write(bytes)
  await closed
  return Buffer.concat(parts)
}

export interface Tap extends AsyncDisposable {
  readonly endpoint: string
  /** The first packet of each connection so far. */
  readonly openings: readonly Buffer[]
}

/** Passes connections on to a port and keeps what each began with. */
export async function tap(port: number): Promise<Tap> {
  const openings: Buffer[] = []
  const sockets = new Set<net.Socket>()
  const server = net.createServer((client) => {
    const backend = net.connect(port, '127.0.0.1')
    client.once('data', (first: Buffer) => openings.push(first))
    for (const socket of [client, backend]) sockets.add(socket.on('error', () => undefined))
    client.pipe(backend).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: `127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    openings,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

export interface Balancer extends AsyncDisposable {
  readonly port: number
}

/** Hands connections to the ports in turn, as a kernel may hand them to workers that share a listener. */
export async function balance(ports: readonly number[]): Promise<Balancer> {
  let turn = 0
  const server = net.createServer((client) => {
    const worker = net.connect(ports[turn++ % ports.length]!, '127.0.0.1')
    for (const socket of [client, worker]) socket.on('error', () => undefined)
    client.pipe(worker).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as net.AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, 'close')
    },
  }
}
