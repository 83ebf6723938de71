import { once } from 'node:events'
import net from 'node:net'
import { run } from '@proxy/test-servers'

/** Sends bytes behind the greeting, and collects what comes, the greeting included, until the other end closes. */
export async function exchange(port: number, bytes: Uint8Array): Promise<Buffer> {
  const socket = net.connect(port, '127.0.0.1')
  const closed = once(socket, 'close')
  const parts: Buffer[] = []
  socket.on('data', (part) => parts.push(part))
  socket.on('error', () => undefined)
  await Promise.race([once(socket, 'data'), closed])
  socket.write(bytes)
  await closed
  return Buffer.concat(parts)
}

export function packet(sequence: number, payload: Uint8Array, length: number = payload.length): Buffer {
  const head = Buffer.alloc(4)
  head.writeUIntLE(length, 0, 3)
  head[3] = sequence
  return Buffer.concat([head, payload])
}

export function packetsOf(bytes: Buffer): { readonly sequence: number; readonly payload: Buffer }[] {
  const packets = []
  for (let at = 0; at + 4 <= bytes.length; at += 4 + bytes.readUIntLE(at, 3)) {
    packets.push({ sequence: bytes[at + 3]!, payload: bytes.subarray(at + 4, at + 4 + bytes.readUIntLE(at, 3)) })
  }
  return packets
}

/** The error packet that an exchange ended with: `1043 08S01`, with its sequence id; undefined when it did not. */
export function errorOf(
  bytes: Buffer,
): { readonly error: string; readonly text: string; readonly sequence: number } | undefined {
  const last = packetsOf(bytes).at(-1)
  if (last?.payload[0] !== 0xff) return undefined
  const { payload, sequence } = last
  const state = payload[3] === 0x23 ? payload.toString('latin1', 4, 9) : ''
  return { error: `${payload.readUInt16LE(1)} ${state}`.trim(), text: payload.toString('utf8', 9), sequence }
}

export interface LoginFields {
  readonly user?: string
  readonly database?: string
  /** Added to and taken off the usual capabilities. */
  readonly with?: number
  readonly without?: number
}

export const sslFlag: number = 2 ** 11
export const pluginAuthFlag: number = 2 ** 19

/** LONG_PASSWORD, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH; CONNECT_WITH_DB where there is one. */
const usual = 1 + 2 ** 9 + 2 ** 13 + 2 ** 15 + pluginAuthFlag

function fixedPart({ database, with: more = 0, without = 0 }: LoginFields): Buffer {
  const head = Buffer.alloc(32)
  const flags = usual | (database === undefined ? 0 : 8) | more
  head.writeUInt32LE((flags & ~without) >>> 0, 0)
  head.writeUInt32LE(2 ** 24, 4)
  head[8] = 45
  return head
}

/** HandshakeResponse41 without a password. */
export function loginPacket(fields: LoginFields = {}, sequence = 1): Buffer {
  const { user = 'demo', database } = fields
  const named = database === undefined ? '' : `${database}\0`
  const rest = Buffer.from(`${user}\0\0${named}mysql_native_password\0`)
  return packet(sequence, Buffer.concat([fixedPart(fields), rest]))
}

export const sslRequest: Buffer = packet(1, fixedPart({ with: sslFlag }))

export interface Tap extends AsyncDisposable {
  readonly endpoint: string
  /** What the dialling side has sent on each connection so far. */
  readonly sent: readonly Buffer[][]
}

/** Passes connections on to a port and keeps what is sent to it. */
export async function tap(port: number): Promise<Tap> {
  const sent: Buffer[][] = []
  const sockets = new Set<net.Socket>()
  const server = net.createServer((client) => {
    const parts: Buffer[] = []
    sent.push(parts)
    const backend = net.connect(port, '127.0.0.1')
    client.on('data', (part: Buffer) => parts.push(Buffer.from(part)))
    for (const socket of [client, backend]) sockets.add(socket.on('error', () => undefined))
    client.pipe(backend).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: `127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    sent,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Hands connections to the ports in turn, as a kernel may hand them to workers that share a listener. */
export async function balance(ports: readonly number[]): Promise<AsyncDisposable & { readonly port: number }> {
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

/** Runs a statement on the server itself, as root. */
export async function asRoot(port: number, sql: string): Promise<string> {
  const args = ['--no-defaults', '--protocol=tcp', '-h127.0.0.1', `-P${port}`, '-uroot', '--skip-ssl', '-BNe', sql]
  return (await run('mariadb', args, { env: { MYSQL_PWD: 'root' } })).stdout
}
