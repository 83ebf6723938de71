import { type Backend, Backoff, type Clock, GatewayError, type Session, type Upstream } from '@proxy/kernel'
import { requestBackendTls } from './backend-tls.ts'
import { backendRunFramer, errorField, messageTypes } from './wire.ts'

/** SQLSTATE cannot_connect_now: starting up, shutting down, recovering. */
const cannotConnectNow = '57P03'

/** What an attempt came to: an upstream whose first answer waits unread, or the reason why there is none. */
type Attempt = { readonly upstream: Upstream; readonly ready: boolean } | { readonly error: GatewayError }

/**
 * Dials the backend and sends it the startup packet, again and again while it takes connections but not sessions: a
 * process that is just starting, or recovering. Safe, as nothing has reached the client and the backend has done nothing.
 * When time is up, the client gets what the backend said last.
 */
export async function startBackend(
  session: Session,
  backend: Backend,
  packet: Buffer,
  clock: Clock,
  readinessTimeoutMs: number,
): Promise<Upstream> {
  const backoff = new Backoff(session, clock, readinessTimeoutMs)
  for (;;) {
    const attempt = await tryStart(session, backend, packet, backoff.pauses > 0)
    if ('upstream' in attempt && attempt.ready) return attempt.upstream
    if (!backoff.mayGoOn()) return giveUp(attempt)
    if ('upstream' in attempt) attempt.upstream.destroy()
    await backoff.pause()
  }
}

function giveUp(attempt: Attempt): Upstream {
  if ('upstream' in attempt) return attempt.upstream
  throw attempt.error
}

async function tryStart(session: Session, backend: Backend, packet: Buffer, again: boolean): Promise<Attempt> {
  let upstream: Upstream | undefined
  try {
    upstream = await session.dial(backend)
    await requestBackendTls(upstream)
    await upstream.write(packet)
    const answer = await upstream.peek(backendRunFramer)
    return { upstream, ready: !saysLater(answer) }
  } catch (cause) {
    upstream?.destroy()
    const error = GatewayError.from(cause)
    if (error.code === 'PROXY_BACKEND_CLOSED') return { error }
    // A port that was open a moment ago and is closed now belongs to a server that restarts.
    if (again && error.code === 'PROXY_DIAL_REFUSED') return { error }
    throw error
  }
}

function saysLater(answer: Buffer): boolean {
  return answer[0] === messageTypes.errorResponse && errorField(answer, 'C') === cannotConnectNow
}
