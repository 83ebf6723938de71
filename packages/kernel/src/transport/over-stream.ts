import type { Duplex } from 'node:stream'
import type { Link } from '../contracts.ts'
import { canLinkSecurely, SecureLink } from './secure-link.ts'
import { StreamLink } from './stream-link.ts'

/**
 * Makes a link of a Duplex that was built on top of `inner` (a TLS socket on `inner.socket()`). Addresses and byte
 * counters are those of `inner`; closing one closes the other.
 * `duplex` must be another object than `inner.socket()`: one Duplex has one link.
 */
export function streamLink(duplex: Duplex, inner: Link): Link {
  return canLinkSecurely(duplex) ? new SecureLink(duplex, inner) : new StreamLink(duplex, inner)
}
