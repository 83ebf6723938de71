import { GatewayError } from '@proxy/kernel'
import { packetCode } from './wire.ts'

/** The client's StartupMessage (PostgreSQL "Message Formats"). */
export interface StartupMessage {
  /** Major version in the high 16 bits. Forwarded as it is, also when it is one that nobody knows yet. */
  readonly version: number
  readonly user: string
  /** undefined: absent or empty, which PostgreSQL takes for the user's name. */
  readonly database: string | undefined
  /** Everything, `user` and `database` included. */
  readonly parameters: ReadonlyMap<string, string>
  /** The whole packet. */
  readonly packet: Buffer
}

/** New values of parameters; undefined takes one out. */
export type Replacements = ReadonlyMap<string, string | undefined>

const firstParameter = 8

/**
 * Reads a whole packet whose code is no request code. Throws `PROXY_UNSUPPORTED` for versions before 3 and
 * `PROXY_MALFORMED` for a layout that PostgreSQL would not take either.
 */
export function parseStartup(packet: Buffer): StartupMessage {
  const version = packetCode(packet)
  if (version >>> 16 !== 3) {
    const message = `unsupported frontend protocol ${version >>> 16}.${version & 0xffff}`
    throw new GatewayError('PROXY_UNSUPPORTED', { message })
  }
  const parameters = new Map<string, string>()
  eachParameter(packet, ({ name, value, end }) => addParameter(parameters, name, packet.toString('utf8', value, end)))
  const user = parameters.get('user')
  if (!user) throw malformed('no PostgreSQL user name in the startup packet')
  return { version, user, database: parameters.get('database') || undefined, parameters, packet }
}

function addParameter(parameters: Map<string, string>, name: string, value: string): void {
  // PostgreSQL takes the last one; whoever reads the first would route by another name than the backend serves.
  if (parameters.has(name)) throw malformed('a startup parameter is given twice')
  parameters.set(name, value)
}

/** One parameter: its name, and where in the packet the name begins, the value begins and the value ends. */
interface Placed {
  readonly name: string
  readonly start: number
  readonly value: number
  readonly end: number
}

function eachParameter(packet: Buffer, visit: (parameter: Placed) => void): void {
  let at = firstParameter
  while (at < packet.length && packet[at] !== 0) {
    const nameEnd = packet.indexOf(0, at)
    const valueEnd = nameEnd < 0 ? -1 : packet.indexOf(0, nameEnd + 1)
    if (valueEnd < 0) throw malformed('invalid startup packet layout')
    visit({ name: packet.toString('utf8', at, nameEnd), start: at, value: nameEnd + 1, end: valueEnd })
    at = valueEnd + 1
  }
  if (at !== packet.length - 1) throw malformed('invalid startup packet layout: expected terminator as last byte')
}

/** The packet with other values for some parameters; every other byte stays as the client sent it. */
export function rewriteStartup(packet: Buffer, replacements: Replacements): Buffer {
  const parts = [packet.subarray(0, firstParameter)]
  const left = new Map(replacements)
  eachParameter(packet, ({ name, start, end }) => {
    if (!left.has(name)) parts.push(packet.subarray(start, end + 1))
    else parts.push(encodeParameter(name, left.get(name)))
    left.delete(name)
  })
  for (const [name, value] of left) parts.push(encodeParameter(name, value))
  const rewritten = Buffer.concat([...parts, Buffer.of(0)])
  rewritten.writeUInt32BE(rewritten.length, 0)
  return rewritten
}

function encodeParameter(name: string, value: string | undefined): Buffer {
  if (value === undefined) return Buffer.alloc(0)
  if (value.includes('\0')) throw new GatewayError('PROXY_INTERNAL', { cause: new Error(`NUL in ${name}`) })
  return Buffer.from(`${name}\0${value}\0`)
}

/** A packet of these parameters. */
export function encodeStartup(version: number, parameters: Iterable<readonly [string, string]>): Buffer {
  const head = Buffer.alloc(9)
  head.writeUInt32BE(head.length, 0)
  head.writeUInt32BE(version, 4)
  return rewriteStartup(head, new Map(parameters))
}

function malformed(message: string): GatewayError {
  return new GatewayError('PROXY_MALFORMED', { message })
}
