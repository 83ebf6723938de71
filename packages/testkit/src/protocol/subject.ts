import type { ErrorCode, Protocol } from '@proxy/kernel'
import type { Bytes } from '../bytes.ts'
import type { Peer } from '../peer.ts'

/** One way in which a client opens a connection, and where that must lead. */
export interface ProtocolFixture {
  readonly name: string
  /**
   * What the client sends, up to and including what routes it. A function where the client must listen on the way; it
   * settles when everything is sent.
   */
  readonly client: Bytes | ((client: Peer) => Promise<void>)
  /** The key that the resolver must be asked for. Fixtures of one key share a backend, and the `serve` of the first. */
  readonly key: string
  /** Attributes that must be among those of the route request. */
  readonly attributes?: Readonly<Record<string, string>> | undefined
  /** Exactly what the backend must receive. The client's address is 192.0.2.1. */
  readonly backend: Bytes
  /** The backend's part of the opening, called for each connection to it. Default: it only listens. */
  readonly serve?: ((backend: Peer) => unknown) | undefined
  /** The last bytes that the client receives before the session is established. Default: none are waited for. */
  readonly established?: Bytes | undefined
}

/** How a protocol begins TLS in-band. */
export interface SecureFixture {
  /** Comes before the command: a dialogue, say. */
  readonly before?: ((client: Peer) => Promise<void>) | undefined
  /** The client's last plain bytes: SSLRequest, `STARTTLS\r\n`. */
  readonly command: Bytes
  /** The server's last plain bytes. */
  readonly goAhead: Bytes
  /** Spoken by the client inside TLS. */
  readonly fixture: ProtocolFixture
}

/** How backends answer a probe. */
export interface ReadySubject {
  /** The part of a backend that serves, called with each connection to it. */
  readonly serving: (backend: Peer) => unknown
  /** The parts of backends that take connections and do not serve yet, by how they differ: `refuses while it recovers`. */
  readonly notReady?: Readonly<Record<string, (backend: Peer) => unknown>> | undefined
}

export interface ProtocolSubject {
  /** A new instance of the protocol at each call. */
  protocol(): Protocol
  /** At least one. The more of the protocol's ways they take, the more is proven. */
  readonly fixtures: readonly ProtocolFixture[]
  /**
   * Throws unless `bytes`, everything that a refused client is sent, are an error that a client of this protocol
   * understands. Needed when the protocol has a `refuse`.
   */
  refusal?: ((bytes: Buffer, code: ErrorCode) => void) | undefined
  /**
   * A client that cannot be routed gets its answer and may stay, to ask for something else. Default false: it is closed.
   */
  readonly staysRefused?: boolean | undefined
  /** Needed when the protocol calls `secure()`. */
  readonly secure?: SecureFixture | undefined
  /** Needed when the protocol has a `ready`. */
  readonly ready?: ReadySubject | undefined
  /**
   * What a backend may send an established client without being asked. Default: any bytes, as a session is relayed raw once it is
   * established.
   */
  readonly late?: Bytes | undefined
  /** What an established client may go on with. Default: any bytes. */
  readonly more?: Bytes | undefined
  /** Beginnings of messages that claim to be, or are, larger than any limit. Default: half a fixture and a lot of filler. */
  readonly oversize?: readonly Bytes[] | undefined
}

/** The fixtures whose client only speaks, as bytes. */
export function openings(subject: ProtocolSubject): Buffer[] {
  return subject.fixtures.flatMap(({ client }) =>
    typeof client === 'function'
      ? []
      : [typeof client === 'string' ? Buffer.from(client, 'latin1') : Buffer.from(client)],
  )
}
