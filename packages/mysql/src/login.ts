import { isUtf8 } from 'node:buffer'
import { GatewayError } from '@proxy/kernel'
import { capabilities, has } from './capabilities.ts'
import { encodeLenenc, FieldReader } from './wire.ts'

/** What a client answers to the greeting (HandshakeResponse41). */
export interface LoginPacket {
  readonly flags: number
  readonly maxPacket: number
  readonly charset: number
  readonly user: string
  /** The answer to the greeting's scramble, for `plugin`. Never leaves the gateway. */
  readonly response: Buffer
  /** undefined: absent or empty. */
  readonly database: string | undefined
  /** The plugin that the response is for; empty: the greeting's. */
  readonly plugin: string
  /** Connection attributes as they came: pairs of length-encoded strings; undefined when there are none. */
  readonly attributes: Buffer | undefined
}

const fixedBytes = 32
const malformedLogin = 'PROXY_MALFORMED'

/** An SSLRequest: the head of a login, alone, with the flag for TLS. */
export function isSslRequest(payload: Buffer): boolean {
  return payload.length === fixedBytes && has(payload.readUInt32LE(0), 'ssl')
}

/**
 * Throws `PROXY_UNSUPPORTED` for clients that speak the protocol before 4.1 or know no authentication plugins, and
 * `PROXY_MALFORMED`.
 */
export function parseLogin(payload: Buffer): LoginPacket {
  requireProtocol41(payload)
  const reader = new FieldReader(payload, 0, malformedLogin)
  const flags = reader.uint(4)
  const maxPacket = reader.uint(4)
  const charset = reader.uint(1)
  reader.bytes(23)
  const user = nameOf(reader.terminated())
  const response = readResponse(reader, flags)
  const database = has(flags, 'connectWithDb') && reader.left > 0 ? nameOf(reader.terminated()) : ''
  const plugin = reader.left > 0 ? reader.terminated().toString('latin1') : ''
  const attributes = has(flags, 'connectAttributes') && reader.left > 0 ? reader.counted() : undefined
  return { flags, maxPacket, charset, user, response, database: database || undefined, plugin, attributes }
}

/** Names go on in the bytes in which they came, which only UTF-8 survives. */
function nameOf(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new GatewayError(malformedLogin, { message: 'names must be in UTF-8' })
  return bytes.toString()
}

function requireProtocol41(payload: Buffer): void {
  if (payload.length >= 2) {
    const low = payload.readUInt16LE(0)
    if (!has(low, 'protocol41')) throw tooOld()
  }
  if (payload.length >= 4 && !has(payload.readUInt32LE(0), 'pluginAuth')) throw tooOld()
}

function tooOld(): GatewayError {
  const message = 'Client does not support the authentication that the gateway needs; consider upgrading it'
  return new GatewayError('PROXY_UNSUPPORTED', { message })
}

function readResponse(reader: FieldReader, flags: number): Buffer {
  if (has(flags, 'pluginAuthLenenc')) return reader.counted()
  return has(flags, 'secureConnection') ? reader.bytes(reader.uint(1)) : reader.terminated()
}

/** The value of a connection attribute; undefined when it is not there or the attributes make no sense. */
export function attributeOf({ attributes }: LoginPacket, name: string): string | undefined {
  if (attributes === undefined) return undefined
  const reader = new FieldReader(attributes, 0, malformedLogin)
  try {
    while (reader.left > 0) {
      const found = reader.counted().toString() === name
      const value = reader.counted()
      if (found) return value.toString()
    }
  } catch {
    return undefined
  }
  return undefined
}

/** Payload of an SSLRequest. */
export function encodeSslRequest(login: Pick<LoginPacket, 'flags' | 'maxPacket' | 'charset'>): Buffer {
  const head = Buffer.alloc(fixedBytes)
  head.writeUInt32LE((login.flags | capabilities.ssl) >>> 0, 0)
  head.writeUInt32LE(login.maxPacket, 4)
  head[8] = login.charset
  return head
}

/**
 * Payload of a login. The flags of fields are set by what is there; a plugin or attributes are left out where `flags`
 * says that the backend does not know them.
 */
export function encodeLogin(login: LoginPacket): Buffer {
  const { database, response } = login
  const plugin = has(login.flags, 'pluginAuth') ? login.plugin : undefined
  const attributes = has(login.flags, 'connectAttributes') ? login.attributes : undefined
  const flags = flagsFor(login.flags, database, attributes, response)
  const head = encodeSslRequest({ ...login, flags })
  head.writeUInt32LE(flags, 0)
  const parts = [head, nulTerminated(login.user)]
  parts.push(has(flags, 'pluginAuthLenenc') ? encodeLenenc(response.length) : Buffer.of(response.length), response)
  if (database !== undefined) parts.push(nulTerminated(database))
  if (plugin !== undefined) parts.push(nulTerminated(plugin))
  if (attributes !== undefined) parts.push(encodeLenenc(attributes.length), attributes)
  return Buffer.concat(parts)
}

function flagsFor(
  flags: number,
  database: string | undefined,
  attributes: Buffer | undefined,
  response: Buffer,
): number {
  let set = flags & ~(capabilities.connectWithDb | capabilities.connectAttributes)
  if (database !== undefined) set |= capabilities.connectWithDb
  if (attributes !== undefined) set |= capabilities.connectAttributes
  if (response.length > 250 && !has(set, 'pluginAuthLenenc')) throw new GatewayError('PROXY_BACKEND_PROTOCOL')
  return set >>> 0
}

/** A zero byte in a name would end it early, and the rest would be read as the next field. */
function nulTerminated(text: string): Buffer {
  if (text.includes('\0')) throw new GatewayError('PROXY_INTERNAL', { cause: new Error('NUL in a name') })
  return Buffer.from(`${text}\0`)
}
