const QUAD = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/
const GROUP = /^[0-9a-fA-F]{1,4}$/
const LONGEST_TEXT = 45

/**
 * Bytes of an IP literal: 4 for IPv4, 16 for IPv6 (RFC 4291 section 2.2); undefined for anything else.
 *
 * IPv4 is the strict dotted quad alone: `127.1`, `0x7f.0.0.1`, `010.0.0.1` and `2130706433`, which some system
 * libraries read as addresses, are not. Brackets and zone ids (`fe80::1%eth0`) are refused.
 */
export function parseIp(text: string): Uint8Array | undefined {
  if (text.length > LONGEST_TEXT) return undefined
  return text.includes(':') ? parseV6(text) : parseV4(text)
}

/** True for an IPv4 or IPv6 literal that {@link parseIp} takes. */
export function isIp(text: string): boolean {
  return parseIp(text) !== undefined
}

function parseV4(text: string): Uint8Array | undefined {
  const match = QUAD.exec(text)
  if (match === null) return undefined
  const bytes = new Uint8Array(4)
  for (let i = 0; i < 4; i++) {
    const value = Number(match[i + 1])
    if (value > 255) return undefined
    bytes[i] = value
  }
  return bytes
}

function parseV6(text: string): Uint8Array | undefined {
  const [left = '', right, ...more] = text.split('::')
  if (more.length > 0) return undefined
  const compressed = right !== undefined
  const head = parseGroups(left, !compressed)
  const tail = compressed ? parseGroups(right, true) : []
  if (head === undefined || tail === undefined) return undefined
  const length = head.length + tail.length
  // `::` stands for at least one group of zeros.
  if (compressed ? length > 14 : length !== 16) return undefined
  const bytes = new Uint8Array(16)
  bytes.set(head, 0)
  bytes.set(tail, 16 - tail.length)
  return bytes
}

function parseGroups(text: string, last: boolean): number[] | undefined {
  const bytes: number[] = []
  if (text === '') return bytes
  const groups = text.split(':')
  for (const [index, group] of groups.entries()) {
    if (GROUP.test(group)) {
      const value = Number.parseInt(group, 16)
      bytes.push(value >> 8, value & 0xff)
      continue
    }
    const quad = last && index === groups.length - 1 ? parseV4(group) : undefined
    if (quad === undefined) return undefined
    bytes.push(...quad)
  }
  return bytes
}

/** True for `::ffff:0:0/96`, an IPv4 address as dual-stack sockets show it (RFC 4291 section 2.5.5.2). */
export function isMapped(bytes: Uint8Array): boolean {
  if (bytes.length !== 16 || bytes[10] !== 0xff || bytes[11] !== 0xff) return false
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false
  return true
}

/** The IPv4 bytes inside a mapped address, else the bytes as they are. */
export function unmapped(bytes: Uint8Array): Uint8Array {
  return isMapped(bytes) ? bytes.subarray(12) : bytes
}

/** Text of 4 or 16 bytes; IPv6 in the canonical form of RFC 5952. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  if (isMapped(bytes)) return `::ffff:${bytes.subarray(12).join('.')}`
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0))
  const zeros = longestZeros(groups)
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':')
  if (zeros.length < 2) return text(groups)
  return `${text(groups.slice(0, zeros.start))}::${text(groups.slice(zeros.start + zeros.length))}`
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let length = 0
  for (const [index, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0
    if (length > best.length) best = { start: index - length + 1, length }
  }
  return best
}
