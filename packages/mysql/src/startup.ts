import { type Backend, Backoff, type Clock, GatewayError, type Session, type Upstream } from '@proxy/kernel'
import { type Greeting, parseGreeting } from './greeting.ts'
import { BackendEnd } from './packets.ts'
import { errorNumber, replies } from './wire.ts'

/** ER_SERVER_SHUTDOWN. */
const shuttingDown = 1053

/** One for all: nobody writes on it. */
const silence = new GatewayError('PROXY_BACKEND_TIMEOUT')

/** A backend that has spoken: its greeting, or the error that it sent in place of one. */
export interface Greeted {
  readonly upstream: Upstream
  readonly end: BackendEnd
  readonly greeting: Greeting | undefined
  /** Payload of the error. */
  readonly error: Buffer | undefined
}

type Attempt = { readonly greeted: Greeted; readonly ready: boolean } | { readonly error: GatewayError }

/**
 * Dials the backend and hears its greeting, again and again while it takes connections but not sessions: a process that is just
 * starting, or a forwarder in front of one. Safe, as nothing has reached the client and the backend has done nothing.
 * When time is up, the client gets what the backend said last.
 */
export async function greetedBy(
  session: Session,
  backend: Backend,
  clock: Clock,
  readinessTimeoutMs: number,
): Promise<Greeted> {
  const backoff = new Backoff(session, clock, readinessTimeoutMs)
  for (;;) {
    const attempt = await tryHear(session, backend, backoff.pauses > 0, clock, readinessTimeoutMs / 2)
    if ('greeted' in attempt && attempt.ready) return attempt.greeted
    if (!backoff.mayGoOn()) return giveUp(attempt)
    if ('greeted' in attempt) attempt.greeted.upstream.destroy()
    await backoff.pause()
  }
}

function giveUp(attempt: Attempt): Greeted {
  if ('greeted' in attempt) return attempt.greeted
  throw attempt.error
}

async function tryHear(
  session: Session,
  backend: Backend,
  again: boolean,
  clock: Clock,
  silenceMs: number,
): Promise<Attempt> {
  let upstream: Upstream | undefined
  try {
    upstream = await session.dial(backend)
    const greeted = await hear(upstream, clock, silenceMs)
    return { greeted, ready: greeted.error === undefined || errorNumber(greeted.error) !== shuttingDown }
  } catch (cause) {
    upstream?.destroy()
    const error = GatewayError.from(cause)
    if (error.code === 'PROXY_BACKEND_CLOSED' || error === silence) return { error }
    // A port that was open a moment ago and is closed now belongs to a server that restarts.
    if (again && error.code === 'PROXY_DIAL_REFUSED') return { error }
    if (isReset(error)) return { error }
    throw error
  }
}

/** Closed in the very moment in which it was taken. */
function isReset({ code, cause }: GatewayError): boolean {
  return code === 'PROXY_DIAL_UNREACHABLE' && (cause as { code?: unknown } | undefined)?.code === 'ECONNRESET'
}

/** A connection that nobody greets may be held by what only forwards to the backend: it is given up and made anew. */
async function hear(upstream: Upstream, clock: Clock, silenceMs: number): Promise<Greeted> {
  const end = new BackendEnd(upstream)
  let silent = false
  const giveUpWaiting = (): void => {
    silent = true
    upstream.destroy()
  }
  const cancel = silenceMs > 0 ? clock.after(silenceMs, giveUpWaiting) : undefined
  try {
    const payload = await end.read()
    const failed = payload[0] === replies.error
    const greeting = failed ? undefined : parseGreeting(payload)
    return { upstream, end, greeting, error: failed ? payload : undefined }
  } catch (error) {
    throw silent ? silence : error
  } finally {
    cancel?.()
  }
}
