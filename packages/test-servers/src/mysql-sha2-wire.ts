import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { type SecureContext, TLSSocket } from 'node:tls'
import type { Socket } from 'node:net'

export type Capability =
  | 'longPassword'
  | 'connectWithDb'
  | 'protocol41'
  | 'ssl'
  | 'transactions'
  | 'secureConnection'
  | 'pluginAuth'
  | 'lenencAuth'

export const capability: Readonly<Record<Capability, number>> = {
  longPassword: 1,
  connectWithDb: 8,
  protocol41: 1 << 9,
  ssl: 1 << 11,
  transactions: 1 << 13,
  secureConnection: 1 << 15,
  pluginAuth: 1 << 19,
  lenencAuth: 1 << 21,
}

/** Packets over a socket, with TLS from a point on. Rejects packets that are out of order, as MySQL does. */
export class MysqlPackets {
  #stream: Duplex
  readonly #socket: Socket
  #unread: Buffer = Buffer.alloc(0)
  #sequence = 0

  constructor(socket: Socket) {
    this.#socket = socket
    this.#stream = socket
  }

  get secured(): boolean {
    return this.#stream !== this.#socket
  }

  /** The payload of the next packet; undefined when the client is gone. */
  async read(): Promise<Buffer | undefined> {
    if (!(await this.#fill(4))) return undefined
    const length = this.#unread.readUIntLE(0, 3)
    if (!(await this.#fill(4 + length))) return undefined
    if (this.#unread[3] !== this.#sequence) throw new MysqlError(1156, '08S01', 'Got packets out of order')
    const payload = this.#unread.subarray(4, 4 + length)
    this.#unread = this.#unread.subarray(4 + length)
    this.#sequence = (this.#sequence + 1) & 255
    return payload
  }

  write(...payloads: Buffer[]): void {
    for (const payload of payloads) {
      const head = Buffer.alloc(4)
      head.writeUIntLE(payload.length, 0, 3)
      head[3] = this.#sequence
      this.#sequence = (this.#sequence + 1) & 255
      this.#stream.write(Buffer.concat([head, payload]))
    }
  }

  /** A command begins. */
  reset(): void {
    this.#sequence = 0
  }

  async secure(secureContext: SecureContext): Promise<void> {
    this.#socket.unshift(this.#unread)
    this.#unread = Buffer.alloc(0)
    const stream = new TLSSocket(this.#socket, { isServer: true, secureContext })
    await once(stream, 'secure')
    this.#stream = stream
  }

  end(): void {
    this.#stream.end()
  }

  async #fill(length: number): Promise<boolean> {
    while (this.#unread.length < length) {
      const chunk = this.#stream.read() as Buffer | null
      if (chunk !== null) this.#unread = Buffer.concat([this.#unread, chunk])
      else if (this.#stream.readableEnded || this.#stream.destroyed) return false
      else await readableOrOver(this.#stream)
    }
    return true
  }
}

async function readableOrOver(stream: Duplex): Promise<void> {
  const over = new AbortController()
  const { signal } = over
  try {
    await Promise.race(['readable', 'end', 'close'].map((event) => once(stream, event, { signal })))
  } finally {
    over.abort()
  }
}

/** Sent as an error packet. */
export class MysqlError extends Error {
  readonly code: number
  readonly state: string

  constructor(code: number, state: string, message: string) {
    super(message)
    this.code = code
    this.state = state
  }

  get packet(): Buffer {
    const code = Buffer.from([255, this.code & 255, this.code >> 8])
    return Buffer.concat([code, Buffer.from(`#${this.state}${this.message}`)])
  }
}

export const okPacket: Buffer = Buffer.from([0, 0, 0, 2, 0, 0, 0])
const eofPacket = Buffer.from([254, 0, 0, 2, 0])

/** A result of one row of texts. */
export function row(columns: Readonly<Record<string, string>>): Buffer[] {
  const names = Object.keys(columns)
  return [
    Buffer.from([names.length]),
    ...names.map(column),
    eofPacket,
    Buffer.concat(Object.values(columns).map(text)),
    eofPacket,
  ]
}

/** utf8mb4_general_ci, VAR_STRING. */
function column(name: string): Buffer {
  const type = Buffer.from([12, 45, 0, 0, 4, 0, 0, 253, 0, 0, 0, 0, 0])
  return Buffer.concat([...['def', '', '', '', name, name].map(text), type])
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value)
  if (bytes.length > 250) throw new RangeError('longer than this server can say')
  return Buffer.concat([Buffer.from([bytes.length]), bytes])
}

export interface Login {
  readonly user: string
  readonly database: string
  readonly reply: Buffer
  readonly plugin: string
}

/** HandshakeResponse41. */
export function parseLogin(packet: Buffer): Login {
  const capabilities = packet.readUInt32LE(0)
  let at = 32
  const take = (length: number): Buffer => packet.subarray(at, (at += length))
  const takeText = (): string => {
    const end = packet.indexOf(0, at)
    const value = packet.toString('utf8', at, end === -1 ? packet.length : end)
    at = end === -1 ? packet.length : end + 1
    return value
  }
  const user = takeText()
  const reply = take(take(1)[0] ?? 0)
  const database = (capabilities & capability.connectWithDb) === 0 ? '' : takeText()
  return { user, reply, database, plugin: takeText() }
}
