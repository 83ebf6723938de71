import { Field } from './http2-field.ts'

/** RFC 7541 appendix A. */
export const staticFields: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ...[
    'accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control',
    'content-disposition content-encoding content-language content-length content-location content-range content-type',
    'cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since',
    'last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after',
    'server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate',
  ]
    .join(' ')
    .split(' ')
    .map((name): [string, string] => [name, '']),
]

const known: readonly Field[] = staticFields.map(([name, value]) => new Field(name, value))

/** The fields that a peer may refer to by number: those of the RFC, and behind them the newest first of those it has sent. */
export class HpackTable {
  /** Oldest first. */
  readonly #entries: Field[] = []
  #size = 0
  #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  at(index: number): Field | undefined {
    if (index <= known.length) return known[index - 1]
    return this.#entries[this.#entries.length - (index - known.length)]
  }

  /** An entry that is larger than the table empties it. */
  add(field: Field): void {
    this.#entries.push(field)
    this.#size += field.size
    this.#evict()
  }

  resize(limit: number): void {
    this.#limit = limit
    this.#evict()
  }

  #evict(): void {
    while (this.#size > this.#limit) this.#size -= this.#entries.shift()!.size
  }
}
