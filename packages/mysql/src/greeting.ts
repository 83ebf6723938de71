import { randomFillSync } from 'node:crypto'
import { GatewayError } from '@proxy/kernel'
import { capabilities, has } from './capabilities.ts'
import { FieldReader } from './wire.ts'

export const scrambleBytes = 20
const protocolVersion = 10
/** utf8mb4_general_ci: known to every server since MySQL 5.5. */
const charset = 45
const autocommit = 2

/** What a server says first (HandshakeV10). */
export interface Greeting {
  readonly version: string
  readonly connectionId: number
  readonly flags: number
  /** 20 bytes, or as many as the server gave. */
  readonly scramble: Buffer
  /** Empty when the server names none. */
  readonly plugin: string
}

/** Random bytes without zero: clients of C read them as text. */
export function mintScramble(): Buffer {
  const scramble = randomFillSync(Buffer.alloc(scrambleBytes))
  for (let i = 0; i < scramble.length; i++) scramble[i] = 1 + (scramble[i]! % 127)
  return scramble
}

/** Payload of the greeting. */
export function encodeGreeting({ version, connectionId, flags, scramble, plugin }: Greeting): Buffer {
  const fixed = Buffer.alloc(44)
  fixed.writeUInt32LE(connectionId, 0)
  scramble.copy(fixed, 4, 0, 8)
  fixed.writeUInt16LE(flags & 0xffff, 13)
  fixed[15] = charset
  fixed.writeUInt16LE(autocommit, 16)
  fixed.writeUInt16LE(flags >>> 16, 18)
  fixed[20] = scrambleBytes + 1
  scramble.copy(fixed, 31, 8, scrambleBytes)
  return Buffer.concat([Buffer.of(protocolVersion), Buffer.from(`${version}\0`), fixed, Buffer.from(`${plugin}\0`)])
}

/** Throws `PROXY_BACKEND_PROTOCOL` for anything but protocol 10 with the 4.1 forms. */
export function parseGreeting(payload: Buffer): Greeting {
  const reader = new FieldReader(payload, 0, 'PROXY_BACKEND_PROTOCOL')
  if (reader.uint(1) !== protocolVersion) throw new GatewayError('PROXY_BACKEND_PROTOCOL')
  const version = reader.terminated().toString('latin1')
  const connectionId = reader.uint(4)
  const first = reader.bytes(8)
  reader.bytes(1)
  const low = reader.uint(2)
  reader.bytes(3)
  const flags = low | (reader.uint(2) << 16)
  if (!has(flags, 'protocol41')) throw new GatewayError('PROXY_BACKEND_PROTOCOL')
  const length = reader.uint(1)
  reader.bytes(10)
  // The second part is at least 12 bytes and mostly a zero, whatever the length says.
  const second = reader.bytes(Math.max(12, Math.min(reader.left, Math.max(13, length - 8))))
  const plugin = (flags & capabilities.pluginAuth) === 0 ? '' : reader.terminated().toString('latin1')
  return { version, connectionId, flags, scramble: scrambleOf(first, second), plugin }
}

function scrambleOf(first: Buffer, second: Buffer): Buffer {
  const both = Buffer.concat([first, second])
  return both.at(-1) === 0 ? both.subarray(0, -1) : both
}
