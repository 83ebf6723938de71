import { type Backend, Backoff, type Clock, GatewayError, type Session, type Upstream } from '@proxy/kernel'
import { type Hello, helloLine, keywordOf } from './hello.ts'
import { codeOf, linesOf, replyFramer } from './reply-reader.ts'
import { xclientLine } from './xclient.ts'

/** What it takes to begin a session with a backend. */
export interface Start {
  readonly session: Session
  readonly backend: Backend
  readonly key: string
  readonly hello: Hello
  readonly xclient: boolean
  readonly readinessTimeoutMs: number
  readonly clock: Clock
}

/**
 * Dials the backend until it greets, and brings it to where it awaits the client's EHLO: encrypted and told of the client,
 * as the resolution says. A process that is just starting takes connections and closes them, or says 421: it is dialled
 * again, as nothing has been asked of it.
 */
export async function startBackend(start: Start): Promise<Upstream> {
  const backoff = new Backoff(start.session, start.clock, start.readinessTimeoutMs)
  for (;;) {
    const answer = await tryStart(start, backoff.leftMs)
    if (!(answer instanceof GatewayError)) return answer
    if (!isPassing(answer, backoff.pauses)) throw answer
    if (!backoff.mayGoOn()) throw backoff.leftMs <= 0 ? tooLate(answer) : answer
    await backoff.pause()
  }
}

async function tryStart(start: Start, leftMs: number): Promise<Upstream | GatewayError> {
  let upstream: Upstream | undefined
  try {
    upstream = await start.session.dial(start.backend, start.key)
    const dialled = upstream
    const cancel = start.clock.after(leftMs, () => dialled.destroy())
    try {
      await open(dialled, start)
    } finally {
      cancel()
    }
    return dialled
  } catch (cause) {
    upstream?.destroy()
    return GatewayError.from(cause)
  }
}

/** A port that was open a moment ago and is closed now belongs to a server that restarts. */
function isPassing({ code }: GatewayError, pauses: number): boolean {
  return code === 'PROXY_BACKEND_CLOSED' || (pauses > 0 && code === 'PROXY_DIAL_REFUSED')
}

function tooLate(cause: GatewayError): GatewayError {
  return new GatewayError('PROXY_BACKEND_TIMEOUT', { cause })
}

async function open(upstream: Upstream, start: Start): Promise<void> {
  await greeting(upstream)
  if (upstream.backend.tls?.mode === 'negotiated') await secure(upstream, start.hello)
  if (start.xclient) await introduce(upstream, start)
}

/** Waits for the 220. Another greeting is no answer to the client: it has asked nothing yet. */
async function greeting(upstream: Upstream): Promise<void> {
  const code = codeOf(await answered(upstream), 0)
  if (code === 220) return
  throw new GatewayError(code < 500 ? 'PROXY_BACKEND_CLOSED' : 'PROXY_BACKEND_PROTOCOL', {
    message: 'the backend takes no mail at the moment',
  })
}

/** STARTTLS (RFC 3207). `secure` fails when anything came behind the 220, which nobody has encrypted. */
async function secure(upstream: Upstream, hello: Hello): Promise<void> {
  await esmtp(upstream, hello)
  await upstream.write('STARTTLS\r\n')
  const reply = await upstream.read(replyFramer)
  if (codeOf(reply, 0) !== 220) throw new GatewayError('PROXY_BACKEND_TLS')
  await upstream.secure()
}

/** A backend that would take the gateway for the client might trust it with more: without XCLIENT it gets nothing. */
async function introduce(upstream: Upstream, { session, hello }: Start): Promise<void> {
  const lines = await esmtp(upstream, hello)
  const offered = lines.slice(1).find((line) => keywordOf(line) === 'XCLIENT')
  const line = offered === undefined ? undefined : xclientLine(offered, session, hello)
  if (line === undefined) throw refused('the backend does not take the address of the client')
  await upstream.write(line)
  const code = codeOf(await answered(upstream), 0)
  if (code !== 220) throw refused('the backend does not take the address of the client')
}

/** Its EHLO reply by lines. A client of HELO is introduced by EHLO too where extensions are needed. */
async function esmtp(upstream: Upstream, { verb, name }: Hello): Promise<string[]> {
  await upstream.write(helloLine({ verb: verb === 'HELO' ? 'EHLO' : verb, name }))
  const reply = await answered(upstream)
  if (codeOf(reply, 0) !== 250) throw refused('the backend does not take the greeting')
  return linesOf(reply)
}

/** The backend's reply. What it says beyond it would be taken for the answer to what is asked next. */
async function answered(upstream: Upstream): Promise<Buffer> {
  const reply = await upstream.read(replyFramer)
  if (upstream.unread > 0) throw new GatewayError('PROXY_BACKEND_PROTOCOL')
  return reply
}

function refused(message: string): GatewayError {
  return new GatewayError('PROXY_BACKEND_PROTOCOL', { message })
}
