import { type ErrorCode, type Framer, GatewayError } from '@proxy/kernel'

/** Cap of one packet before the relay; the listener's `maxHandshakeBytes` is usually below. */
export const maxPacketBytes: number = 1 << 20

/** Length of a packet's header: 3 bytes of length and the sequence id. */
export const headerBytes = 4

/** First byte of a payload of the server's during the login. */
export const replies = { ok: 0x00, moreData: 0x01, authSwitch: 0xfe, error: 0xff } as const

/** Named to backends in place of a plugin that they know, so that they name theirs, with a scramble of their own. */
export const unknownPlugin = 'proxy_ask_again'

/** First byte of a command's payload. */
export const commands = {
  quit: 0x01,
  initDb: 0x02,
  query: 0x03,
  processKill: 0x0c,
  ping: 0x0e,
  changeUser: 0x11,
  stmtPrepare: 0x16,
  stmtSendLongData: 0x18,
  stmtClose: 0x19,
} as const

/** Status flags of OK and EOF packets. */
export const statusFlags = {
  inTransaction: 0x0001,
  autocommit: 0x0002,
  moreResults: 0x0008,
  cursorExists: 0x0040,
  lastRowSent: 0x0080,
} as const

/** One packet: its header and payload. Throws `code` when it is above the cap. */
export function framerOf(code: ErrorCode): Framer {
  return (bytes) => {
    if (bytes.length < 3) return 0
    const length = bytes.readUIntLE(0, 3)
    if (length > maxPacketBytes) throw new GatewayError(code)
    return headerBytes + length
  }
}

/** A packet of this payload. */
export function encodePacket(sequence: number, payload: Uint8Array): Buffer {
  const packet = Buffer.allocUnsafe(headerBytes + payload.length)
  packet.writeUIntLE(payload.length, 0, 3)
  packet[3] = sequence & 0xff
  packet.set(payload, headerBytes)
  return packet
}

export interface ErrorFields {
  readonly number: number
  readonly sqlState: string
  readonly message: string
}

const longestMessage = 512

/** Payload of an ERR packet. */
export function encodeError({ number, sqlState, message }: ErrorFields): Buffer {
  const payload = Buffer.from(`\xff__#${sqlState}`, 'latin1')
  payload.writeUInt16LE(number, 1)
  return Buffer.concat([payload, truncated(message)])
}

/** MySQL's own limit, cut between two characters. */
function truncated(message: string): Buffer {
  const bytes = Buffer.from(message)
  if (bytes.length <= longestMessage) return bytes
  let end = longestMessage
  while ((bytes[end]! & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}

/** Number of an ERR payload; 0 when it is too short to have one. */
export function errorNumber(payload: Buffer): number {
  return payload.length < 3 ? 0 : payload.readUInt16LE(1)
}

/** Payload of an OK packet that says nothing but its status. */
export const okPayload: Buffer = Buffer.of(replies.ok, 0, 0, statusFlags.autocommit, 0, 0, 0)

/** Payload that asks the client to authenticate by another plugin. */
export function encodeAuthSwitch(plugin: string, scramble: Buffer): Buffer {
  return Buffer.concat([Buffer.of(replies.authSwitch), Buffer.from(`${plugin}\0`, 'latin1'), scramble, Buffer.of(0)])
}

export interface AuthSwitch {
  readonly plugin: string
  /** Without its closing zero byte. */
  readonly scramble: Buffer
}

/** Reads an AuthSwitchRequest; a lone 0xfe (the protocol before 4.1) names no plugin. */
export function parseAuthSwitch(payload: Buffer): AuthSwitch {
  const end = payload.indexOf(0, 1)
  if (end < 0) return { plugin: payload.toString('latin1', 1), scramble: Buffer.alloc(0) }
  const rest = payload.subarray(end + 1)
  const scramble = rest.at(-1) === 0 ? rest.subarray(0, -1) : rest
  return { plugin: payload.toString('latin1', 1, end), scramble }
}

/** Walks over the fields of a payload. Reading beyond its end throws the code given. */
export class FieldReader {
  readonly #bytes: Buffer
  readonly #code: ErrorCode
  #at: number

  constructor(bytes: Buffer, at: number, code: ErrorCode) {
    this.#bytes = bytes
    this.#at = at
    this.#code = code
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  uint(bytes: 1 | 2 | 3 | 4): number {
    return this.bytes(bytes).readUIntLE(0, bytes)
  }

  bytes(length: number): Buffer {
    if (length > this.left) throw new GatewayError(this.#code)
    const from = this.#at
    this.#at += length
    return this.#bytes.subarray(from, this.#at)
  }

  /** Up to a zero byte; the last field of a payload may end without. */
  terminated(): Buffer {
    const end = this.#bytes.indexOf(0, this.#at)
    if (end < 0) return this.bytes(this.left)
    const field = this.bytes(end - this.#at)
    this.#at++
    return field
  }

  /** A length-encoded string. */
  counted(): Buffer {
    return this.bytes(this.lenenc())
  }

  /** A length-encoded integer. Lengths that no packet can have are no lengths. */
  lenenc(): number {
    const first = this.uint(1)
    if (first < 0xfb) return first
    if (first === 0xfc) return this.uint(2)
    if (first === 0xfd) return this.uint(3)
    throw new GatewayError(this.#code)
  }
}

/** A length-encoded integer below 2^24. */
export function encodeLenenc(value: number): Buffer {
  if (value < 0xfb) return Buffer.of(value)
  if (value < 0x1_0000) return Buffer.of(0xfc, value & 0xff, value >>> 8)
  return Buffer.of(0xfd, value & 0xff, (value >>> 8) & 0xff, value >>> 16)
}
