import { type Backend, type Clock, GatewayError, type Session, type Upstream } from '@proxy/kernel'
import { type Greeting, parseGreeting } from './greeting.ts'
import { BackendEnd } from './packets.ts'
import { errorNumber, replies } from './wire.ts'

const firstDelayMs = 50
const longestDelayMs = 1_000
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
  const deadline = clock.now() + readinessTimeoutMs
  for (let attempts = 0; ; attempts++) {
    const attempt = await tryHear(session, backend, attempts > 0, clock, readinessTimeoutMs / 2)
    if ('greeted' in attempt && attempt.ready) return attempt.greeted
    const delayMs = jittered(attempts)
    if (clock.now() + delayMs >= deadline || session.draining) return giveUp(attempt)
    if ('greeted' in attempt) attempt.greeted.upstream.destroy()
    await pause(clock, delayMs, session.signal)
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

/** Doubles from attempt to attempt, and is spread so that waiters do not come back all at once. */
function jittered(attempts: number): number {
  const delayMs = Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(attempts, 10))
  return delayMs * (0.5 + Math.random() / 2)
}

function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      cancel()
      reject(endedBy(GatewayError.from(signal.reason, 'PROXY_CLIENT_GONE')))
    }
    const cancel = clock.after(delayMs, () => {
      signal.removeEventListener('abort', abort)
      resolve()
    })
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}

/** It was the backend, not the client, that let the handshake's time pass. */
function endedBy(reason: GatewayError): GatewayError {
  return reason.code === 'PROXY_PEEK_TIMEOUT' ? new GatewayError('PROXY_BACKEND_TIMEOUT') : reason
}
