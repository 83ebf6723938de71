import type { Link, Session } from '@proxy/kernel'
import { Http2Backends } from './http2-backend.ts'
import { Http2Connection } from './http2-connection.ts'
import type { HttpProtocol, Served } from './protocol.ts'

/** HTTP/2 towards clients; what it serves goes to the same pools as HTTP/1.1, and gRPC to backends that speak HTTP/2. */
export class Http2Side {
  readonly backends: Http2Backends
  readonly #protocol: HttpProtocol

  constructor(protocol: HttpProtocol) {
    this.#protocol = protocol
    this.backends = new Http2Backends(protocol)
  }

  /** Serves a connection until it is over; the kernel then closes it. `unread` begins with the client's preface. */
  serve(session: Session, link: Link, unread: Buffer): { served: Served; ended: Promise<void> } {
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    const served = new Http2Connection(this.#protocol, this.backends, session, link, resolve)
    served.start(unread)
    return { served, ended }
  }

  sweep(): void {
    this.backends.sweep()
  }

  close(): void {
    this.backends.close()
  }
}
