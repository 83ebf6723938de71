import type { GatewayError, Session } from '@proxy/kernel'
import type { PayloadSink } from './body.ts'
import type { MessageHead } from './message.ts'
import type { Upstream } from './upstream.ts'

/** Who a backend connection works for: the request in progress on an HTTP/1.1 connection, or an HTTP/2 stream. */
export interface Exchange extends PayloadSink {
  /** The request was HEAD: whatever its head says, the response has no body. */
  readonly isHead: boolean
  /** Wants payload (`onPayload`) where the body is chunked, not the bytes as they came. */
  readonly unchunks: boolean
  /** The request has asked for another protocol, so that 101 is a fair answer. */
  readonly upgrades: boolean
  /** The request has gone out whole, so the backend connection may serve another. */
  readonly sent: boolean

  readonly session: Session

  /** A backend connection that was waited for. */
  onUpstream(upstream: Upstream): void
  /** There will be none. */
  onNoUpstream(error: GatewayError): void
  /** 1xx. `bytes[head.start, head.end)` is the message. */
  onInterim(head: MessageHead, bytes: Buffer): void
  /**
   * The head of the response and as much of the body as came with it, up to `bodyEnd`. `complete`: that is all, and the
   * backend connection is already someone else's.
   */
  onResponse(head: MessageHead, bytes: Buffer, bodyEnd: number, complete: boolean): void
  /** More of the body, as it came. */
  onBody(bytes: Buffer, start: number, end: number, complete: boolean): void
  /** 101: both ends now speak another protocol, from behind the head. The backend connection has left the pool. */
  onSwitch(head: MessageHead, bytes: Buffer): void
  /** The backend takes bytes again. */
  onUpstreamDrain(): void
  /** The backend broke off or spoke nonsense. `clean`: no byte of this response had arrived. */
  onUpstreamFailure(error: GatewayError, clean: boolean): void
}
