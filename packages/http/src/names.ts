import { latin1, TOKEN } from './bytes.ts'

const UNDERSCORE = 0x5f

/** The field names that mean something to a proxy. Everything else is 0 and is forwarded unread. */
export const CONNECTION = 1
export const CONTENT_LENGTH = 2
export const TRANSFER_ENCODING = 3
export const HOST = 4
export const UPGRADE = 5
export const EXPECT = 6
export const TE = 7
export const KEEP_ALIVE = 8
export const PROXY_CONNECTION = 9
export const PROXY_AUTHORIZATION = 10
export const X_FORWARDED_FOR = 11
export const X_FORWARDED_PROTO = 12
export const X_FORWARDED_HOST = 13
export const FORWARDED = 14
export const HTTP2_SETTINGS = 15
export const TRAILER = 16
/** A field that some backends would take for one of the above. It is never passed on. */
export const DISGUISED = 17
export const TRACEPARENT = 18
export const TRACESTATE = 19

const names: Readonly<Record<string, number>> = {
  connection: CONNECTION,
  'content-length': CONTENT_LENGTH,
  'transfer-encoding': TRANSFER_ENCODING,
  host: HOST,
  upgrade: UPGRADE,
  expect: EXPECT,
  te: TE,
  'keep-alive': KEEP_ALIVE,
  'proxy-connection': PROXY_CONNECTION,
  'proxy-authorization': PROXY_AUTHORIZATION,
  'x-forwarded-for': X_FORWARDED_FOR,
  'x-forwarded-proto': X_FORWARDED_PROTO,
  'x-forwarded-host': X_FORWARDED_HOST,
  forwarded: FORWARDED,
  'http2-settings': HTTP2_SETTINGS,
  trailer: TRAILER,
  traceparent: TRACEPARENT,
  tracestate: TRACESTATE,
}

interface Entry {
  readonly id: number
  readonly codes: Uint8Array
}

const byLength: readonly (readonly Entry[])[] = Array.from({ length: 20 }, (_, length) =>
  Object.entries(names)
    .filter(([name]) => name.length === length)
    .map(([name, id]) => ({ id, codes: Uint8Array.from(name, (char) => char.charCodeAt(0)) })),
)

/** Which of the names above the token `bytes[start, end)` is; 0 for none. */
export function nameId(bytes: Buffer, start: number, end: number): number {
  const length = end - start
  if (length >= byLength.length) return 0
  const entries = byLength[length]!
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i]!
    if (matches(bytes, start, entry.codes)) return entry.id
  }
  return 0
}

function matches(bytes: Buffer, start: number, codes: Uint8Array): boolean {
  for (let i = 0; i < codes.length; i++) if (TOKEN[bytes[start + i]!] !== codes[i]) return false
  return true
}

/** The bit of a name in a set of names. */
export function bit(id: number): number {
  return 1 << id
}

/**
 * The name that a field with underscores stands for where a backend makes variables of its fields (CGI and its heirs), as
 * `X_Forwarded_For` for `X-Forwarded-For`; 0 when there is nothing to gain by it.
 */
export function disguisedId(bytes: Buffer, start: number, end: number): number {
  // The dashes of the names that matter are behind `x`, `content`, `transfer` and `x-forwarded`.
  const underscored =
    bytes[start + 1] === UNDERSCORE ||
    bytes[start + 7] === UNDERSCORE ||
    bytes[start + 8] === UNDERSCORE ||
    bytes[start + 11] === UNDERSCORE
  if (!underscored) return 0
  return names[latin1(bytes, start, end).toLowerCase().replaceAll('_', '-')] ?? 0
}
