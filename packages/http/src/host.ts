/** What a Host field may hold besides brackets: names, IPv4 literals and a port (RFC 9110 section 7.2). */
const authority = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/

/**
 * The resource id in a Host field: lower case, without port, brackets and trailing dot. '' when the value is empty;
 * undefined when it is no host.
 */
export function keyOf(host: string): string | undefined {
  if (host === '') return ''
  if (host.length > 260 || !authority.test(host)) return undefined
  const end = host.charCodeAt(0) === 0x5b ? host.indexOf(']') : portAt(host)
  const name = host.charCodeAt(0) === 0x5b ? host.slice(1, end) : host.slice(0, end)
  const key = name.toLowerCase()
  return key.endsWith('.') ? key.slice(0, -1) : key
}

function portAt(host: string): number {
  const colon = host.indexOf(':')
  return colon < 0 ? host.length : colon
}

/** The parts of an absolute-form target (RFC 9112 section 3.2.2); undefined when it is none. */
export function splitAbsolute(target: string): { authority: string; path: string } | undefined {
  const match = /^https?:\/\/([^/?#]*)([^#]*)$/i.exec(target)
  if (match === null) return undefined
  const path = match[2] ?? ''
  return { authority: match[1] ?? '', path: path.startsWith('/') ? path : `/${path}` }
}
