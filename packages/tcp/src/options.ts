import type { Backend, Framer, TlsInfo } from '@proxy/kernel'

/** What a first-bytes extractor found. */
export interface Extracted {
  /** The resource id to route by. */
  readonly key: string
  /** What else the resolver may want to know. Never secrets. */
  readonly attributes?: Readonly<Record<string, string>> | undefined
}

/**
 * Finds the key in the first bytes of a connection, which stay in place. undefined: more bytes are needed; it is called
 * again, from the start, when they have come. Throws when they can never become an opening of this protocol.
 */
export type Extract = (bytes: Buffer, tls: TlsInfo | undefined) => Extracted | undefined

/** Changes the client's first message before the backend gets it. */
export interface Transform {
  /** Measures the first message: TCP knows no packets. */
  readonly frame: Framer
  apply(message: Buffer, backend: Backend): Uint8Array
}

export interface TcpOptions {
  /**
   * One of the protocols that the kernel knows by name; it sets the port of endpoints that name none, and who speaks
   * first. Default `tcp`.
   */
  readonly name?: string | undefined
  /** Routes every connection of the listener to this resource: one port for each tenant. */
  readonly key?: string | undefined
  /** Reads the key out of the first bytes. Not for protocols in which the server speaks first. Default: the TLS server name. */
  readonly extract?: Extract | undefined
  /** Changes the client's first message on its way. Default: none. */
  readonly transform?: Transform | undefined
  /** For sharing a port with other protocols. Default: whatever `extract` finds a key in. */
  readonly detect?: ((prefix: Buffer) => boolean | undefined) | undefined
  /** ALPN names to offer where the listener ends TLS, best first. */
  readonly alpn?: readonly string[] | undefined
  /** Ends a connection on which no byte moved for so long, in milliseconds; 0 = never. Default: the listener's. */
  readonly idleTimeoutMs?: number | undefined
}
