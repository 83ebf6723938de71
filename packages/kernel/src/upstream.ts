import { type ChannelOwner, type ChannelTls, LinkChannel } from './channel.ts'
import type { Backend, BackendTlsProvider, Dialled, Endpoint, Link, Upstream } from './contracts.ts'
import { GatewayError } from './errors.ts'

/** A channel to a backend. */
export class UpstreamChannel extends LinkChannel implements Upstream {
  readonly key: string
  readonly backend: Backend
  readonly endpoint: Endpoint
  readonly #owner: ChannelOwner
  #heard = false

  constructor(
    dialled: Dialled,
    owner: ChannelOwner,
    maxBytes: number,
    key: string,
    backend: Backend,
    provider: BackendTlsProvider | undefined,
  ) {
    super(dialled.link, owner, maxBytes, 'PROXY_BACKEND_CLOSED', negotiated(backend, dialled.endpoint, provider))
    this.#owner = owner
    this.key = key
    this.backend = backend
    this.endpoint = dialled.endpoint
  }

  override onData(link: Link, bytes: Buffer): void {
    if (!this.#heard) {
      this.#heard = true
      this.#owner.channelHeard?.()
    }
    super.onData(link, bytes)
  }
}

/** TLS that the protocol begins in-band; the dial has already done `implicit`. */
function negotiated(
  { tls }: Backend,
  endpoint: Endpoint,
  provider: BackendTlsProvider | undefined,
): ChannelTls | undefined {
  if (tls?.mode !== 'negotiated' || provider === undefined) return undefined
  return {
    clientHello: undefined,
    alpn: [],
    secure(link, request) {
      // The backend has nothing to say before our ClientHello: whoever did is not the backend (CVE-2021-23222).
      if (request.unread.length > 0) return Promise.reject(new GatewayError('PROXY_BACKEND_TLS'))
      return provider.secure(link, tls, endpoint.host, request)
    },
  }
}
