const maxNameBytes = 255
const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

/** Lower case, without the trailing dot of an absolute name (RFC 6066 section 3 has none, clients send it all the same). */
export function foldServerName(name: string): string {
  const lower = name.toLowerCase()
  return lower.endsWith('.') ? lower.slice(0, -1) : lower
}

/** Whether a folded name is a host name. Anything else must not become a routing key. */
export function isServerName(name: string): boolean {
  return name.length <= maxNameBytes && name.split('.').every((part) => label.test(part))
}

/** The names that a wildcard for `name` would have: `a.b.c` is covered by `*.b.c` only (RFC 6125 section 6.4.3). */
export function wildcardOf(name: string): string | undefined {
  const dot = name.indexOf('.')
  return dot === -1 ? undefined : `*${name.slice(dot)}`
}

/** Whether a folded name may stand in a certificate's list: a host name, or one behind `*.`. */
export function isCertificateName(name: string): boolean {
  return isServerName(name.startsWith('*.') ? name.slice(2) : name)
}
