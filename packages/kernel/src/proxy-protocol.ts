import type { Address } from './contracts.ts'
import { GatewayError } from './errors.ts'
import { formatIp, parseIp, unmapped } from './ip.ts'

const V1_PREFIX = Buffer.from('PROXY ', 'latin1')
const V1_LONGEST = 107
const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const V2_HEAD = 16
// The longest address block is 216 bytes; the rest is room for TLVs.
const V2_LONGEST_BODY = 4096
const PORT = /^(0|[1-9]\d{0,4})$/

/** Both ends of the connection that a trusted sender forwards. */
export interface ProxiedPair {
  readonly source: Address
  readonly destination: Address
}

/**
 * Length of a PROXY protocol header, version 1 or 2 (haproxy's proxy-protocol.txt, sections 2.1 and 2.2). Throws
 * `PROXY_PROXY_HEADER` as soon as the bytes cannot be one: a v1 line ends within 107 bytes, a v2 body is at most 4 KiB.
 */
export function proxyHeaderFramer(bytes: Buffer): number {
  if (bytes.length === 0) return 0
  return bytes[0] === V1_PREFIX[0] ? frameV1(bytes) : frameV2(bytes)
}

/**
 * Reads one whole header, as long as the framer says. `local` when it carries no usable addresses (a health check of
 * the sender, UNKNOWN, datagrams, Unix sockets): the connection then speaks for itself. TLVs are skipped. Throws
 * `PROXY_PROXY_HEADER`.
 */
export function parseProxyHeader(header: Buffer): ProxiedPair | 'local' {
  return header[0] === V1_PREFIX[0] ? parseV1(header) : parseV2(header)
}

/**
 * The header that tells a backend whose connection this is: `client` connected to `local`. When an end is unknown the header
 * says so (v1 UNKNOWN, v2 LOCAL). Ends of different families are both written as IPv6.
 */
export function encodeProxyHeader(version: 1 | 2, client: Address | undefined, local: Address | undefined): Buffer {
  const source = client === undefined ? undefined : parseIp(client.host)
  const destination = local === undefined ? undefined : parseIp(local.host)
  if (client === undefined || local === undefined || source === undefined || destination === undefined) {
    return version === 1 ? Buffer.from('PROXY UNKNOWN\r\n', 'latin1') : encodeV2(0x20, 0x00, [])
  }
  const [from, to] = sameFamily(unmapped(source), unmapped(destination))
  const v4 = from.length === 4
  if (version === 2) return encodeV2(0x21, v4 ? 0x11 : 0x21, [from, to, word(client.port), word(local.port)])
  const family = v4 ? 'TCP4' : 'TCP6'
  return Buffer.from(`PROXY ${family} ${formatIp(from)} ${formatIp(to)} ${client.port} ${local.port}\r\n`, 'latin1')
}

function malformed(): GatewayError {
  return new GatewayError('PROXY_PROXY_HEADER')
}

function startsAlike(bytes: Buffer, prefix: Buffer): boolean {
  const length = Math.min(bytes.length, prefix.length)
  return bytes.compare(prefix, 0, length, 0, length) === 0
}

function frameV1(bytes: Buffer): number {
  if (!startsAlike(bytes, V1_PREFIX)) throw malformed()
  const end = bytes.subarray(0, V1_LONGEST).indexOf('\r\n', 0, 'latin1')
  if (end < 0 && bytes.length >= V1_LONGEST) throw malformed()
  return end < 0 ? 0 : end + 2
}

function frameV2(bytes: Buffer): number {
  if (!startsAlike(bytes, V2_SIGNATURE)) throw malformed()
  if (bytes.length > 12 && (bytes[12] ?? 0) >> 4 !== 2) throw malformed()
  if (bytes.length < V2_HEAD) return 0
  const body = bytes.readUInt16BE(14)
  if (body > V2_LONGEST_BODY) throw malformed()
  return V2_HEAD + body
}

function parseV1(header: Buffer): ProxiedPair | 'local' {
  const line = header.toString('latin1', 0, header.length - 2)
  if (line === 'PROXY UNKNOWN' || line.startsWith('PROXY UNKNOWN ')) return 'local'
  const [, family, source = '', destination = '', sourcePort = '', destinationPort = '', ...more] = line.split(' ')
  if (more.length > 0 || (family !== 'TCP4' && family !== 'TCP6')) throw malformed()
  const length = family === 'TCP4' ? 4 : 16
  return {
    source: { host: hostV1(source, length), port: portV1(sourcePort) },
    destination: { host: hostV1(destination, length), port: portV1(destinationPort) },
  }
}

function hostV1(text: string, length: number): string {
  const bytes = parseIp(text)
  if (bytes?.length !== length) throw malformed()
  return formatIp(bytes)
}

function portV1(text: string): number {
  const value = PORT.test(text) ? Number(text) : Number.POSITIVE_INFINITY
  if (value > 65_535) throw malformed()
  return value
}

function parseV2(header: Buffer): ProxiedPair | 'local' {
  const command = (header[12] ?? 0) & 0x0f
  const family = header[13] ?? 0
  if (command > 1 || family >> 4 > 3 || (family & 0x0f) > 2) throw malformed()
  if (command === 0) return 'local'
  if (family === 0x11) return parsePair(header, 4)
  return family === 0x21 ? parsePair(header, 16) : 'local'
}

function parsePair(header: Buffer, length: number): ProxiedPair {
  const ports = V2_HEAD + 2 * length
  if (header.length < ports + 4) throw malformed()
  return {
    source: {
      host: formatIp(header.subarray(V2_HEAD, V2_HEAD + length)),
      port: header.readUInt16BE(ports),
    },
    destination: {
      host: formatIp(header.subarray(V2_HEAD + length, ports)),
      port: header.readUInt16BE(ports + 2),
    },
  }
}

function encodeV2(command: number, family: number, parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([V2_SIGNATURE, Buffer.from([command, family]), word(body.length), body])
}

function word(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff])
}

function sameFamily(a: Uint8Array, b: Uint8Array): readonly [Uint8Array, Uint8Array] {
  return a.length === b.length ? [a, b] : [mapped(a), mapped(b)]
}

function mapped(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 16) return bytes
  const wide = new Uint8Array(16)
  wide.fill(0xff, 10, 12)
  wide.set(bytes, 12)
  return wide
}
