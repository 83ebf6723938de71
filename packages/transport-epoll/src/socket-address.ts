import { type Address, formatIp, parseIp } from '@proxy/kernel'
import { AF_INET, AF_INET6 } from './constants.ts'

/** Room for the largest of them, `struct sockaddr_in6`. */
export const ADDRESS_BYTES = 28

const V4_BYTES = 16
const MAPPED_PREFIX = Buffer.from('00000000000000000000ffff', 'hex')

/** Where one connection leads the next one often leads, too. */
let known: { readonly host: string; readonly family: number | undefined } = { host: '', family: undefined }

/** The family of an IP literal; undefined: it is none. */
export function familyOf(host: string): number | undefined {
  if (host !== known.host) known = { host, family: familyOfLength(parseIp(host)?.length) }
  return known.family
}

function familyOfLength(length: number | undefined): number | undefined {
  return length === undefined ? undefined : length === 4 ? AF_INET : AF_INET6
}

/** Writes `struct sockaddr_in` or `sockaddr_in6` and gives its length. `host` is an IP literal. */
export function writeAddress(into: Buffer, { host, port }: Address): number {
  const ip = parseIp(host)
  if (ip === undefined) throw new TypeError(`${host} is no address`)
  into.fill(0, 0, ADDRESS_BYTES)
  into.writeUInt16LE(ip.length === 4 ? AF_INET : AF_INET6, 0)
  into.writeUInt16BE(port, 2)
  into.set(ip, ip.length === 4 ? 4 : 8)
  return ip.length === 4 ? V4_BYTES : ADDRESS_BYTES
}

/** Clients behind a balancer have few addresses: they share the text. */
let latest = { bytes: -1, text: '' }

function textOfV4(from: Buffer): string {
  const bytes = from.readUInt32BE(4)
  if (bytes !== latest.bytes) latest = { bytes, text: formatIp(from.subarray(4, 8)) }
  return latest.text
}

/** Reads one. A client of IPv4 at a socket of IPv6 is given by its IPv4 address. */
export function readAddress(from: Buffer): Address {
  const port = from.readUInt16BE(2)
  if (from.readUInt16LE(0) === AF_INET) return { host: textOfV4(from), port }
  const ip = from.subarray(8, 24)
  const mapped = ip.subarray(0, 12).equals(MAPPED_PREFIX)
  return { host: formatIp(mapped ? ip.subarray(12) : ip), port }
}
