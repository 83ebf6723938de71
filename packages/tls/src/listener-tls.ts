import type { Duplex } from 'node:stream'
import {
  type ClientHello,
  type ClientHelloReader,
  type Disposer,
  GatewayError,
  type Hooks,
  type Link,
  type ListenerTls,
  type Secured,
  type SecureRequest,
  streamLink,
} from '@proxy/kernel'
import { answerChallenge } from './acme.ts'
import { Certificates } from './certificates.ts'
import { clientHello } from './client-hello.ts'
import type { Identity } from './identity.ts'
import { peekOpening } from './opening.ts'
import type { TlsOptions } from './options.ts'
import { foldServerName } from './server-name.ts'
import { accept } from './server-end.ts'
import { tlsInfo } from './tls-info.ts'

const minTicketKeyBytes = 32

/** The fatal alert (RFC 6066 section 3), written by hand as OpenSSL has not seen the connection yet. */
const unrecognizedName = Uint8Array.of(21, 3, 3, 0, 2, 2, 112)

/** The server end of TLS, with `reload` for those who know when their certificate files have changed. */
export interface ReloadableTls extends ListenerTls {
  /** Reads the certificate files again. Rejects with `PROXY_CONFIG_INVALID`, and keeps the old ones, when they are bad. */
  reload(): Promise<void>
  /**
   * May a connection that was begun for `serverName` speak for `name`? Not when a client certificate is demanded for
   * `name` and the connection's own certificate demands another one or none.
   */
  admits(serverName: string | undefined, name: string): boolean
}

/**
 * TLS of a listener: the certificate is chosen by SNI (exact name, wildcard, default), clients are asked for theirs per
 * listener or per name, and files are read again when they change. Throws `PROXY_CONFIG_INVALID`.
 */
export function tls(options: TlsOptions): ReloadableTls {
  const { mode = 'implicit', certificates = [] } = options
  if (mode !== 'passthrough' && certificates.length === 0) {
    throw new GatewayError('PROXY_CONFIG_INVALID', { message: `tls: mode '${mode}' needs at least one certificate` })
  }
  if (options.ticketKeys !== undefined && options.ticketKeys.length < minTicketKeyBytes) {
    throw new GatewayError('PROXY_CONFIG_INVALID', { message: 'tls: ticketKeys must have at least 32 bytes' })
  }
  return new ServerTls(mode, options)
}

class ServerTls implements ReloadableTls {
  readonly mode: ListenerTls['mode']
  readonly required: boolean
  readonly clientHello: ClientHelloReader = clientHello
  readonly #certificates: Certificates
  readonly #options: TlsOptions

  constructor(mode: ListenerTls['mode'], options: TlsOptions) {
    this.mode = mode
    this.required = options.required ?? false
    this.#options = options
    this.#certificates = new Certificates(options)
  }

  setup({ hooks }: { hooks: Hooks }): Disposer {
    return this.#certificates.watch(hooks)
  }

  reload(): Promise<void> {
    return this.#certificates.reload()
  }

  admits(serverName: string | undefined, name: string): boolean {
    const { table } = this.#certificates
    const wanted = table.find(foldServerName(name))
    return wanted === undefined || !wanted.requiresClient || wanted === table.select(serverName)
  }

  async secure(link: Link, request: SecureRequest): Promise<Secured> {
    if (this.mode === 'passthrough') throw new GatewayError('PROXY_TLS_UNAVAILABLE')
    const stream = link.socket(request.unread)
    try {
      const hello = await peekOpening(stream, request.signal)
      if (await answerChallenge(stream, hello, this.#options.acme, request.signal)) {
        throw failed('the connection was an ACME challenge, now answered')
      }
      const identity = this.#identityFor(stream, hello)
      const socket = await accept(stream, hello, identity, request)
      return { link: streamLink(socket, link), tls: tlsInfo(socket, hello.serverName, identity.asksClient) }
    } catch (error) {
      // What still comes is dropped: only a stream that is read tells when its peer has left.
      stream.resume()
      throw error
    }
  }

  #identityFor(stream: Duplex, { serverName }: ClientHello): Identity {
    const identity = this.#certificates.table.select(serverName)
    if (identity !== undefined) return identity
    stream.write(unrecognizedName)
    throw failed('no certificate is for the server name')
  }
}

function failed(message: string): GatewayError {
  return new GatewayError('PROXY_TLS_HANDSHAKE', { message })
}
