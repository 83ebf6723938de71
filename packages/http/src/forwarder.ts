import type { MessageHead } from './message.ts'
import { FORWARDED, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO } from './names.ts'

/** Says at the end of each request head of one client connection who the client is. */
export class Forwarder {
  readonly client: string
  readonly proto: 'http' | 'https'
  readonly trusted: boolean
  #host: string | undefined = undefined
  #tail = ''

  /** `trusted`: the client is a balancer of ours, and what it says about its own client is true. */
  constructor(client: string, proto: 'http' | 'https', trusted: boolean) {
    this.client = client
    this.proto = proto
    this.trusted = trusted
  }

  /** The last lines and the end of a head without such fields; the same text as long as the host is the same. */
  tail(host: string): string {
    if (host !== this.#host) {
      this.#host = host
      this.#tail = lines(this.client, this.proto, host, '')
    }
    return this.#tail
  }

  /** The same for a head that came with such fields: an untrusted client's are dropped, a balancer's are continued. */
  tailBehind(head: MessageHead, bytes: Buffer, host: string): string {
    if (!this.trusted) return this.tail(host)
    return this.continued(
      head.values(bytes, X_FORWARDED_FOR),
      head.values(bytes, X_FORWARDED_PROTO)[0],
      head.values(bytes, X_FORWARDED_HOST)[0],
      head.values(bytes, FORWARDED),
      host,
    )
  }

  continued(
    clients: readonly string[],
    proto: string | undefined,
    forwardedHost: string | undefined,
    elements: readonly string[],
    host: string,
  ): string {
    const node = this.client.includes(':') ? `"[${this.client}]"` : this.client
    const list = elements.length === 0 ? '' : `Forwarded: ${[...elements, `for=${node}`].join(', ')}\r\n`
    return lines([...clients, this.client].join(', '), proto ?? this.proto, forwardedHost ?? host, list)
  }
}

function lines(client: string, proto: string, host: string, forwarded: string): string {
  const hostLine = host === '' ? '' : `X-Forwarded-Host: ${host}\r\n`
  return `X-Forwarded-For: ${client}\r\nX-Forwarded-Proto: ${proto}\r\n${hostLine}${forwarded}\r\n`
}
