import {
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
import { answerChallenge, challengeContext } from './acme.ts'
import { Certificates } from './certificates.ts'
import { clientHello } from './client-hello.ts'
import { peekOpening } from './opening.ts'
import type { TlsOptions } from './options.ts'
import { accept } from './server-end.ts'
import { tlsInfo } from './tls-info.ts'

/** The fatal alert (RFC 6066 section 3), written by hand as OpenSSL has not seen the connection yet. */
const unrecognizedName = Uint8Array.of(21, 3, 3, 0, 2, 2, 112)

/** The server end of TLS, with `reload` for those who know when their certificate files have changed. */
export interface ReloadableTls extends ListenerTls {
  /** Reads the certificate files again. Rejects with `PROXY_CONFIG_INVALID`, and keeps the old ones, when they are bad. */
  reload(): Promise<void>
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

  async secure(link: Link, request: SecureRequest): Promise<Secured> {
    if (this.mode === 'passthrough') throw new GatewayError('PROXY_TLS_UNAVAILABLE')
    const stream = link.socket(request.unread)
    const hello = await peekOpening(stream, request.signal)
    const challenge = await challengeContext(hello, this.#options.acme)
    if (challenge !== undefined) {
      await answerChallenge(stream, challenge, request.signal)
      throw new GatewayError('PROXY_TLS_HANDSHAKE', { message: 'the connection was an ACME challenge, now answered' })
    }
    const identity = this.#certificates.table.select(hello.serverName)
    if (identity === undefined) {
      stream.resume().write(unrecognizedName)
      throw new GatewayError('PROXY_TLS_HANDSHAKE', { message: 'no certificate is for the server name' })
    }
    const socket = await accept(stream, hello, identity, request)
    return { link: streamLink(socket, link), tls: tlsInfo(socket, hello.serverName, identity.asksClient) }
  }
}
