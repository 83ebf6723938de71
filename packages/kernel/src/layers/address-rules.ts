import { type Cidr, parseCidr } from '../cidr.ts'
import { formatIp, parseIp, unmapped } from '../ip.ts'

const ranges = (list: string): readonly Cidr[] => list.trim().split(/\s+/).map(parseCidr)

/** Not globally reachable, by the IANA special-purpose registries (RFC 6890 and its updates). */
const SPECIAL: readonly Cidr[] = ranges(`
  0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
  192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24
  203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
  ::/128 ::1/128 100::/64 2001::/23 2001:db8::/32 3fff::/20 5f00::/16 64:ff9b:1::/48 fc00::/7 fe80::/10 fec0::/10
  ff00::/8
`)

/** Where clouds give out credentials (AWS, GCP, Azure, Alibaba, Oracle, Scaleway, Tencent ...). */
const METADATA: readonly Cidr[] = ranges(`
  169.254.169.254 169.254.170.2 169.254.170.23 169.254.42.42 169.254.0.23 100.100.100.200 168.63.129.16 192.0.0.192
  fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fd00:c1::a9fe:a9fe fd00:42::42
`)

interface Carrier {
  readonly range: Cidr
  /** Where the IPv4 address begins. */
  readonly at: number
  readonly inverted?: boolean
}

/** IPv6 ranges whose packets may end at the IPv4 address inside. Mapped addresses count as IPv4 everywhere. */
const CARRIERS: readonly Carrier[] = [
  { range: parseCidr('::/96'), at: 12 },
  { range: parseCidr('::ffff:0:0:0/96'), at: 12 },
  { range: parseCidr('64:ff9b::/96'), at: 12 },
  { range: parseCidr('64:ff9b:1::/48'), at: 12 },
  { range: parseCidr('2002::/16'), at: 2 },
  { range: parseCidr('2001::/32'), at: 4 },
  { range: parseCidr('2001::/32'), at: 12, inverted: true },
]

/** What there is to know of an address before any rule is asked. */
export interface Classified {
  readonly address: Uint8Array
  /** The canonical literal to dial; plain IPv4 where the address was only mapped. */
  readonly text: string
  /** Cloud metadata, whichever form the address takes. */
  readonly metadata: boolean
  /** Of the address itself and every IPv4 address inside it, those that lie in a special range. */
  readonly special: readonly Uint8Array[]
}

/** Works on bytes: no spelling of an address gets around it. Undefined for anything but an IP literal. */
export function classify(literal: string): Classified | undefined {
  const bytes = parseIp(literal)
  if (bytes === undefined) return undefined
  const address = unmapped(bytes)
  const forms = formsOf(address)
  return {
    address,
    text: formatIp(address),
    metadata: forms.some((form) => matches(METADATA, form)),
    special: forms.filter((form) => matches(SPECIAL, form)),
  }
}

function matches(list: readonly Cidr[], address: Uint8Array): boolean {
  return list.some((range) => range.contains(address))
}

function formsOf(address: Uint8Array): readonly Uint8Array[] {
  if (address.length === 4) return [address]
  const inner = CARRIERS.filter(({ range }) => range.contains(address)).map(({ at, inverted }) =>
    address.slice(at, at + 4).map((byte) => (inverted ? byte ^ 0xff : byte)),
  )
  // ISATAP (RFC 5214) hides its IPv4 address in the interface identifier, under any prefix.
  const isatap =
    (address[8] === 0 || address[8] === 2) && address[9] === 0 && address[10] === 0x5e && address[11] === 0xfe
  return isatap ? [address, ...inner, address.slice(12)] : [address, ...inner]
}
