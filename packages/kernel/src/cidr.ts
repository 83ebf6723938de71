import { invalid } from './address.ts'
import { formatIp, isMapped, parseIp, unmapped } from './ip.ts'

/**
 * A range of addresses, compared byte by byte. IPv4 addresses match whether they are written plainly or mapped into
 * IPv6 (`::ffff:10.0.0.1`).
 */
export class Cidr {
  readonly #network: Uint8Array
  readonly #bits: number

  /** `network` has 4 or 16 bytes; `bits` of them count, the rest are zero. */
  constructor(network: Uint8Array, bits: number) {
    this.#network = network
    this.#bits = bits
  }

  /** True when the address, as bytes of `parseIp`, lies in the range. */
  contains(address: Uint8Array): boolean {
    const bytes = unmapped(address)
    if (bytes.length !== this.#network.length) return false
    return samePrefix(bytes, this.#network, this.#bits)
  }

  toString(): string {
    return `${formatIp(this.#network)}/${this.#bits}`
  }
}

/**
 * Reads `10.0.0.0/8`, `fd00::/8` or a bare address, which stands for itself alone. Throws `PROXY_CONFIG_INVALID`, also
 * when bits behind the prefix are set: `10.1.2.3/8` may be a slip for either `10.0.0.0/8` or `10.1.2.3`.
 */
export function parseCidr(text: string): Cidr {
  const slash = text.indexOf('/')
  const address = parseIp(slash < 0 ? text : text.slice(0, slash))
  if (address === undefined) throw invalid(text, 'is not a CIDR range; write 10.0.0.0/8 or fd00::/8')
  const bits = slash < 0 ? address.length * 8 : parseBits(text, text.slice(slash + 1), address.length * 8)
  const network = masked(address, bits)
  if (!samePrefix(network, address, address.length * 8)) {
    throw invalid(text, `has bits set behind its prefix; did you mean ${formatIp(network)}/${bits}?`)
  }
  return isMapped(address) && bits >= 96 ? new Cidr(unmapped(network), bits - 96) : new Cidr(network, bits)
}

/**
 * A test for many ranges at once; it takes an IP literal and says no to anything else. Throws `PROXY_CONFIG_INVALID`.
 */
export function cidrMatcher(ranges: readonly string[]): (host: string) => boolean {
  const cidrs = ranges.map(parseCidr)
  return (host) => {
    const address = parseIp(host)
    return address !== undefined && cidrs.some((cidr) => cidr.contains(address))
  }
}

function parseBits(text: string, digits: string, most: number): number {
  const bits = /^(0|[1-9]\d{0,2})$/.test(digits) ? Number(digits) : most + 1
  if (bits > most) throw invalid(text, `has no prefix length between 0 and ${most}`)
  return bits
}

function masked(address: Uint8Array, bits: number): Uint8Array {
  return address.map((byte, index) => byte & maskOf(bits - index * 8))
}

function samePrefix(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  for (let i = 0; i * 8 < bits; i++) {
    const mask = maskOf(bits - i * 8)
    if (((a[i] ?? 0) & mask) !== ((b[i] ?? 0) & mask)) return false
  }
  return true
}

function maskOf(bits: number): number {
  if (bits >= 8) return 0xff
  return bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff
}
