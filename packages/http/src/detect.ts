import { latin1 } from './bytes.ts'

/** `PRI` begins the preface of HTTP/2. WebDAV's methods are the last ones. */
const methods = (
  'GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT PRI QUERY ' +
  'PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK SEARCH REPORT'
)
  .split(' ')
  .map((method) => `${method} `)

/** Are these the first bytes of an HTTP client? A method that is known, and behind it the beginning of a target. */
export function detectHttp(prefix: Buffer): boolean | undefined {
  const text = latin1(prefix, 0, 12)
  const method = methods.find((known) => text.startsWith(known))
  if (method === undefined) return methods.some((known) => known.startsWith(text)) ? undefined : false
  if (text.length === method.length) return undefined
  // Other protocols have commands of the same names; their arguments are no paths.
  return method === 'CONNECT ' || '/*hH'.includes(text.charAt(method.length))
}
