import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import { latin1 } from './bytes.ts'
import type { Forwarder } from './forwarder.ts'
import type { MessageHead } from './message.ts'
import {
  CONNECTION,
  CONTENT_LENGTH,
  HTTP2_SETTINGS,
  KEEP_ALIVE,
  PROXY_CONNECTION,
  TRAILER,
  TRANSFER_ENCODING,
  UPGRADE,
} from './names.ts'

/** Fields that are about one connection, or that the gateway writes itself. */
const dropped: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'forwarded',
])

/** What a request line may hold; HTTP/2 itself has no delimiters to protect. */
const safeTarget = /^(?:\/[\x21-\x7e\x80-\xff]*|\*)$/
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/
const unsafeValue = /[\0\r\n]/

/** The authority of a request: `:authority`, or Host where a client sent only that. undefined: they contradict each other. */
export function authorityOf(headers: IncomingHttpHeaders): string | undefined {
  const authority = headers[':authority']
  const { host } = headers
  if (authority === undefined || host === undefined) return authority ?? host ?? ''
  return authority.toLowerCase() === host.toLowerCase() ? authority : undefined
}

/** What is wrong with the pseudo-header fields; undefined when nothing is. */
export function problemOf(headers: IncomingHttpHeaders): string | undefined {
  if (!token.test(headers[':method'] ?? '')) return 'method'
  if (!safeTarget.test(headers[':path'] ?? '')) return 'path'
  return undefined
}

/** The fields that are passed on, one by one, `traced` without a trace context. undefined: one of them could not be written in HTTP/1.1. */
export function forwardedFields(headers: IncomingHttpHeaders, traced: boolean): [string, string][] | undefined {
  const fields: [string, string][] = []
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(':') || dropped.has(name.replaceAll('_', '-'))) continue
    if (traced && (name === 'traceparent' || name === 'tracestate')) continue
    if (name === 'te') {
      if (/trailers/i.test(String(value))) fields.push(['te', 'trailers'])
      continue
    }
    for (const one of Array.isArray(value) ? value : [value]) {
      if (unsafeValue.test(one) || !/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) return undefined
      fields.push([name, one])
    }
  }
  return fields
}

/** The lines that say who the client is, and the end of the head. */
export function forwardedTail(headers: IncomingHttpHeaders, forwarder: Forwarder, host: string): string {
  const names = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded'] as const
  if (!forwarder.trusted || names.every((name) => headers[name] === undefined)) return forwarder.tail(host)
  const [clients, proto, forwardedHost, elements] = names.map((name) => {
    const value = headers[name]
    return value === undefined ? [] : [value].flat()
  })
  return forwarder.continued(clients ?? [], proto?.[0], forwardedHost?.[0], elements ?? [], host)
}

/** The request as an HTTP/1.1 head. */
export function http1Head(
  headers: IncomingHttpHeaders,
  fields: readonly (readonly [string, string])[],
  host: string,
  chunked: boolean,
  tail: string,
): string {
  let text = `${headers[':method']} ${headers[':path']} HTTP/1.1\r\nHost: ${host}\r\n`
  for (const [name, value] of fields) text += `${name}: ${value}\r\n`
  return `${text}${chunked ? 'Transfer-Encoding: chunked\r\n' : ''}${tail}`
}

const connectionFields = new Set([
  CONNECTION,
  KEEP_ALIVE,
  PROXY_CONNECTION,
  UPGRADE,
  TRANSFER_ENCODING,
  HTTP2_SETTINGS,
  TRAILER,
])

/** A backend's HTTP/1.1 response head as HTTP/2 has it. */
export function http2Head(head: MessageHead, bytes: Buffer): OutgoingHttpHeaders {
  const headers: Record<string, string | string[] | number> = { ':status': head.status }
  for (let i = 0; i < head.count; i++) {
    const id = head.ids[i]!
    if (id !== 0 && (connectionFields.has(id) || (id === CONTENT_LENGTH && head.status === 204))) continue
    const name = latin1(bytes, head.lines[i * 4]!, head.lines[i * 4 + 1]!).toLowerCase()
    if (head.named?.includes(name) === true) continue
    const value = head.value(bytes, i)
    const known = headers[name]
    if (known === undefined) headers[name] = value
    else headers[name] = Array.isArray(known) ? [...known, value] : [String(known), value]
  }
  return headers
}

/** Fields as node:http2 wants them. */
export function toHeaders(fields: readonly (readonly [string, string])[]): OutgoingHttpHeaders {
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of fields) {
    const known = headers[name]
    headers[name] = known === undefined ? value : [known, value].flat()
  }
  return headers
}
