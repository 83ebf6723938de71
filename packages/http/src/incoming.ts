import { GatewayError } from '@proxy/kernel'
import { BodyFraming } from './body.ts'
import type { Forwarder } from './forwarder.ts'
import { requestHead } from './headers.ts'
import { keyOf } from './host.ts'
import type { MessageHead } from './message.ts'
import { malformed } from './refusals.ts'
import type { RequestReport } from './request-report.ts'
import { fieldOf, hostField, isIdempotent, methodOf, pathField, readTarget, withoutQuery } from './request-line.ts'
import { isUpgrade } from './upgrade.ts'

/** What the client of an HTTP/1.1 connection asks for: its head as it is passed on, and how far its body is. */
export class Incoming {
  readonly body: BodyFraming = new BodyFraming()
  method = ''
  /** Of the client's HTTP version. */
  minor = 1
  /** The client would send another request on this connection. */
  keepAlive = true
  /** It may be sent to a backend twice. */
  replayable = false
  /** It asks for another protocol. */
  upgrades = false
  /** The head for the backend; '' while there is none. */
  text = ''
  /** The resource id in the Host. */
  key = ''
  /** The Host as it was sent last, which {@link key} was read from. */
  #host: string | undefined = undefined
  /** The path that was asked for last, by a request that is observed. */
  #path = ''

  /** Without its query; '' while there is no head for the backend. */
  get path(): string {
    return this.text === '' ? '' : this.#path
  }

  /** The Accept field; '' without one. */
  get accept(): string {
    return fieldOf(this.text, 'accept')
  }

  /** Takes in how the message is framed. Whether it can be passed on is for {@link address} to say. */
  begin(head: MessageHead, bytes: Buffer): void {
    this.method = methodOf(head, bytes)
    this.minor = head.minor
    this.text = ''
    this.keepAlive = head.minor === 1 ? !head.close : head.keepAlive && !head.close
    this.upgrades = isUpgrade(head, bytes)
    if (head.chunked) this.body.chunks()
    else if (head.contentLength > 0) this.body.length(head.contentLength)
    else this.body.none()
    this.replayable = this.body.done && isIdempotent(this.method)
  }

  /** Nothing of it can be trusted. */
  discard(): void {
    this.method = ''
    this.keepAlive = false
    this.body.none()
  }

  /** Finds whom it is for and writes the head for the backend. Returns what keeps it from being passed on. */
  address(
    head: MessageHead,
    bytes: Buffer,
    forwarder: Forwarder,
    { observed, trace }: RequestReport,
  ): GatewayError | undefined {
    const target = readTarget(head, bytes, this.method)
    if (typeof target === 'string') return this.#problem(target)
    const host = target.absolute?.authority ?? hostField(head, bytes, this.#host)
    if (host !== this.#host && !this.#takeHost(host)) return malformed('Host')
    if (observed) this.#path = target.absolute ? withoutQuery(target.absolute.path) : pathField(head, bytes, this.#path)
    this.text = requestHead(head, bytes, host, forwarder, target.absolute, this.upgrades, trace)
    return undefined
  }

  #problem(target: string): GatewayError {
    if (this.method !== 'CONNECT') return malformed(target)
    // What follows may be bytes of the protocol that was to be tunnelled.
    this.keepAlive = false
    return new GatewayError('PROXY_UNSUPPORTED', { message: target })
  }

  #takeHost(host: string): boolean {
    const key = keyOf(host)
    if (key === undefined) return false
    this.#host = host
    this.key = key
    return true
  }
}
