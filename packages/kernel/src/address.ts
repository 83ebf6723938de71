import type { Address, Endpoint } from './contracts.ts'
import { GatewayError } from './errors.ts'
import { isIp } from './ip.ts'

const PORT = /^(0|[1-9]\d{0,4})$/
const NAME =
  /^(?=.{1,253}\.?$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?$/
// System libraries read a name that ends in such a label as an IPv4 address in disguise: 127.1, 0x7f000001, 10.010.
const NUMERIC_LABEL = /(^|\.)(\d+|0[xX][0-9a-fA-F]*)\.?$/
const EVERY_IPV4 = '0.0.0.0'

interface HostPort {
  readonly host: string
  readonly port: number | undefined
}

/**
 * An address to listen on: `host:port`, `[v6]:port`, `:port` or a number (both every IPv4 address), or a record. The host
 * is an IP literal or `localhost`; port 0 picks a free one. Throws `PROXY_CONFIG_INVALID`.
 */
export function parseAddress(value: string | number | Address): Address {
  const { host, port } = typeof value === 'object' ? value : parseListen(String(value))
  const text = typeof value === 'object' ? formatAddress(value) : String(value)
  if (port === undefined) throw invalid(text, 'has no port; write host:port')
  checkPort(text, port, 0)
  if (host !== 'localhost' && !isIp(host)) throw invalid(text, 'must begin with an IP address or localhost')
  return { host, port }
}

/**
 * Where a backend listens: `host:port`, `host`, `[v6]:port`, a bare IPv6 literal, or a record. The host is an IP literal or
 * a DNS name, given back in lower case. Throws `PROXY_CONFIG_INVALID`.
 */
export function parseEndpoint(value: string | Endpoint): Endpoint {
  const { host, port } = typeof value === 'string' ? splitHostPort(value) : value
  const text = typeof value === 'string' ? value : formatAddress(value)
  if (port !== undefined) checkPort(text, port, 1)
  if (!isHost(host)) throw invalid(text, 'is no endpoint; write host:port, [v6]:port or host')
  const address = { host: host.toLowerCase(), port }
  return Object.freeze(typeof value === 'string' ? address : { ...address, ...preferences(value) })
}

/** What a resolver says of an endpoint beside its address; absent where it says nothing. */
function preferences({ weight, draining }: Endpoint): Pick<Endpoint, 'weight' | 'draining'> {
  if (weight !== undefined && !(weight >= 0 && weight < Number.POSITIVE_INFINITY)) {
    throw invalid(`weight: ${weight}`, 'is not 0 or more')
  }
  return { ...(weight !== undefined && { weight }), ...(draining !== undefined && { draining }) }
}

/** `host:port`, with brackets around an IPv6 literal; `host` alone when there is no port. */
export function formatAddress(address: Endpoint): string {
  if (address.port === undefined) return address.host
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

/** `PROXY_CONFIG_INVALID` that quotes the offending text. For configuration only: clients must not see the text. */
export function invalid(text: string, why: string): GatewayError {
  const quoted = JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}...` : text)
  return new GatewayError('PROXY_CONFIG_INVALID', { message: `${quoted} ${why}` })
}

function isHost(host: string): boolean {
  if (typeof host !== 'string') return false
  return isIp(host) || (NAME.test(host) && !NUMERIC_LABEL.test(host))
}

function checkPort(text: string, port: number, least: number): void {
  if (!Number.isInteger(port) || port < least || port > 65_535)
    throw invalid(text, `has no port from ${least} to 65535`)
}

function parseListen(text: string): HostPort {
  if (PORT.test(text)) return { host: EVERY_IPV4, port: Number(text) }
  if (text.startsWith(':') && PORT.test(text.slice(1))) return { host: EVERY_IPV4, port: Number(text.slice(1)) }
  return splitHostPort(text)
}

function splitHostPort(text: string): HostPort {
  if (text.startsWith('[')) return splitBracketed(text)
  const colon = text.indexOf(':')
  // Two colons and no bracket: an IPv6 literal without a port.
  if (colon < 0 || text.includes(':', colon + 1)) return { host: text, port: undefined }
  return { host: text.slice(0, colon), port: portOf(text, text.slice(colon + 1)) }
}

function splitBracketed(text: string): HostPort {
  const close = text.indexOf(']')
  const host = text.slice(1, close)
  if (close < 0 || !host.includes(':')) throw invalid(text, 'needs an IPv6 address between its brackets')
  if (close === text.length - 1) return { host, port: undefined }
  if (text[close + 1] !== ':') throw invalid(text, 'needs a colon and a port behind its bracket')
  return { host, port: portOf(text, text.slice(close + 2)) }
}

function portOf(text: string, digits: string): number {
  if (!PORT.test(digits)) throw invalid(text, 'has no port from 0 to 65535')
  return Number(digits)
}
