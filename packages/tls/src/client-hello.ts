import { type ClientHello, type ClientHelloReader, GatewayError } from '@proxy/kernel'
import { foldServerName, isServerName } from './server-name.ts'

// RFC 8446 sections 4.1.2, 4.2 and 5.1; RFC 6066 section 3; RFC 7301 section 3.1.
const recordHeader = 5
const recordTypeHandshake = 22
const maxRecordBytes = 16_384
const messageHeader = 4
const messageTypeClientHello = 1
const randomBytes = 32
const maxSessionIdBytes = 32
const extensionServerName = 0
const extensionAlpn = 16
const nameTypeHost = 0

/** Larger ones are refused, never routed by what was seen so far. */
const maxMessageBytes = 16_384
/** Plenty for every client; without a limit the headers of one-byte records would multiply the bytes to hold. */
const maxRecords = 64

/** The most bytes that the framer ever asks for. */
export const maxClientHelloBytes: number = maxMessageBytes + maxRecords * recordHeader

/**
 * Reads the TLS ClientHello, reassembled over records, up to 16 KiB. Fails closed: what is not exactly a ClientHello
 * throws `PROXY_TLS_HANDSHAKE`, so that no client is ever routed by half of one (the class of CVE-2026-32305).
 */
export const clientHello: ClientHelloReader = { framer: measure, parse }

function measure(bytes: Buffer): number {
  let offset = 0
  let received = 0
  let header = 0
  for (let records = 0; records < maxRecords; records++) {
    const size = recordSize(bytes, offset)
    if (size === undefined) return 0
    const payload = bytes.subarray(offset + recordHeader, offset + recordHeader + size)
    for (let at = 0; received + at < messageHeader && at < payload.length; at++) header = header * 256 + payload[at]!
    offset += recordHeader + size
    received += size
    if (offset > bytes.length && received - size + payload.length < messageHeader) return 0
    if (received < messageHeader) continue
    const length = messageLength(header)
    if (received > length) throw malformed('more than it is in its records')
    if (received === length) return offset
  }
  throw malformed('it is cut into too many records')
}

/** Payload size of the record at `offset`; undefined when its header is not all there. What is there is judged. */
function recordSize(bytes: Buffer, offset: number): number | undefined {
  const there = bytes.length - offset
  if (there > 0 && bytes[offset] !== recordTypeHandshake) throw malformed('it is no TLS handshake')
  if (there > 1 && bytes[offset + 1] !== 3) throw malformed('its TLS version is unknown')
  if (there < recordHeader) return undefined
  const size = bytes.readUInt16BE(offset + 3)
  if (size === 0 || size > maxRecordBytes) throw malformed('a record has an impossible length')
  return size
}

function messageLength(header: number): number {
  if (header >>> 24 !== messageTypeClientHello) throw malformed('another handshake message came first')
  const length = messageHeader + (header & 0xff_ff_ff)
  if (length > maxMessageBytes) throw malformed('it is too large')
  return length
}

function parse(bytes: Buffer): ClientHello {
  const message = reassemble(bytes)
  const hello = new Reader(message)
  hello.skip(messageHeader)
  if (messageLength(message.readUInt32BE(0)) !== message.length) throw malformed('it is not as long as it says')
  hello.skip(2 + randomBytes)
  if (hello.vector8().left > maxSessionIdBytes) throw malformed('its session id is too long')
  const ciphers = hello.vector16().left
  if (ciphers === 0 || ciphers % 2 !== 0) throw malformed('its cipher suites are malformed')
  if (hello.vector8().left === 0) throw malformed('it has no compression method')
  // TLS 1.2 allows a hello without extensions.
  const extensions = hello.left === 0 ? hello : hello.vector16()
  hello.finish()
  return readExtensions(extensions)
}

function reassemble(bytes: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let offset = 0; offset < bytes.length; ) {
    const size = recordSize(bytes, offset)
    const start = offset + recordHeader
    if (size === undefined || start + size > bytes.length) throw malformed('it is incomplete')
    parts.push(bytes.subarray(start, start + size))
    offset = start + size
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}

function readExtensions(extensions: Reader): ClientHello {
  let serverName: string | undefined
  let alpn: readonly string[] = []
  const seen = new Set<number>()
  while (extensions.left > 0) {
    const type = extensions.uint16()
    const body = extensions.vector16()
    // Which of two a server believes is anybody's guess (RFC 8446 section 4.2 forbids them).
    if (seen.has(type)) throw malformed('an extension is there twice')
    seen.add(type)
    if (type === extensionServerName) serverName = readServerName(body)
    else if (type === extensionAlpn) alpn = readAlpn(body)
  }
  return { serverName, alpn }
}

function readServerName(body: Reader): string {
  const list = body.vector16()
  body.finish()
  if (list.uint8() !== nameTypeHost) throw malformed('its server name has an unknown type')
  const name = list.vector16()
  list.finish()
  const folded = foldServerName(name.rest().toString('latin1'))
  if (!isServerName(folded)) throw malformed('its server name is no host name')
  return folded
}

function readAlpn(body: Reader): string[] {
  const list = body.vector16()
  body.finish()
  const names: string[] = []
  while (list.left > 0) {
    const name = list.vector8().rest()
    if (name.length === 0) throw malformed('an ALPN name is empty')
    names.push(name.toString('latin1'))
  }
  if (names.length === 0) throw malformed('its ALPN list is empty')
  return names
}

/** Reads TLS presentation language; every step past the end throws. */
class Reader {
  readonly #bytes: Buffer
  #offset = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#offset
  }

  skip(length: number): void {
    if (length > this.left) throw malformed('it is truncated')
    this.#offset += length
  }

  uint8(): number {
    this.skip(1)
    return this.#bytes[this.#offset - 1]!
  }

  uint16(): number {
    this.skip(2)
    return this.#bytes.readUInt16BE(this.#offset - 2)
  }

  vector8(): Reader {
    return this.#vector(this.uint8())
  }

  vector16(): Reader {
    return this.#vector(this.uint16())
  }

  rest(): Buffer {
    return this.#bytes.subarray(this.#offset)
  }

  /** Throws when something is left. */
  finish(): void {
    if (this.left > 0) throw malformed('a list in it is longer than it says')
  }

  #vector(length: number): Reader {
    this.skip(length)
    return new Reader(this.#bytes.subarray(this.#offset - length, this.#offset))
  }
}

function malformed(why: string): GatewayError {
  return new GatewayError('PROXY_TLS_HANDSHAKE', { message: `malformed TLS ClientHello: ${why}` })
}
