import {
  type Backend,
  Backoff,
  type Clock,
  type Framer,
  GatewayError,
  type Session,
  type Upstream,
} from '@proxy/kernel'
import { Elements } from './bson.ts'
import { type BackendHello, readBackendHello } from './hello.ts'
import type { WireRange } from './options.ts'
import { encodeMsg, messageFramer, replyDocument } from './wire.ts'

const helloId = 1

/** Shutting down, starting up, or in the middle of an election. */
const notYet: ReadonlySet<number | undefined> = new Set([91, 11_600, 11_602, 13_436])

/** A backend that has said hello. */
export interface Started {
  readonly upstream: Upstream
  readonly hello: BackendHello
}

/** What an attempt came to. `settled`: there is nothing to be gained by another one. */
type Attempt = (Started & { readonly settled: boolean }) | { readonly error: GatewayError }

export interface StartOptions {
  /** The document of the `hello`. */
  readonly hello: Buffer
  readonly wireVersions: WireRange
  readonly readinessTimeoutMs: number
}

/**
 * Dials the backend and says hello to it in the client's name, again and again while it takes connections and does not answer: a
 * process that is just starting. Of several endpoints the one that takes writes is used. Safe, as nothing has
 * reached the client and the backend has done nothing.
 */
export async function startBackend(
  session: Session,
  backend: Backend,
  clock: Clock,
  options: StartOptions,
): Promise<Started> {
  const backoff = new Backoff(session, clock, options.readinessTimeoutMs)
  for (;;) {
    const attempt = await tryEndpoints(session, backend, options.hello, backoff.pauses > 0)
    if ('upstream' in attempt && attempt.settled) return checked(attempt, options.wireVersions)
    if (!backoff.mayGoOn()) return giveUp(attempt, options.wireVersions)
    if ('upstream' in attempt) attempt.upstream.destroy()
    await backoff.pause()
  }
}

function giveUp(attempt: Attempt, wireVersions: WireRange): Started {
  if ('error' in attempt) throw attempt.error
  return checked(attempt, wireVersions)
}

/** What clients were told must be true of the backend. */
function checked(started: Started, { max }: WireRange): Started {
  const { ok, code, minWireVersion, maxWireVersion } = started.hello
  if (!ok) throw unfit(notYet.has(code) ? 'PROXY_BACKEND_CLOSED' : 'PROXY_BACKEND_PROTOCOL', started)
  if (maxWireVersion >= max && minWireVersion <= max) return started
  throw unfit('PROXY_BACKEND_PROTOCOL', started, 'the backend speaks other wire versions than the gateway announces')
}

function unfit(
  code: 'PROXY_BACKEND_CLOSED' | 'PROXY_BACKEND_PROTOCOL',
  started: Started,
  message?: string,
): GatewayError {
  started.upstream.destroy()
  return new GatewayError(code, { message })
}

/** The endpoints in turn, until one takes writes. The kernel's own way over them would stop at the first that can be dialled. */
async function tryEndpoints(session: Session, backend: Backend, hello: Buffer, again: boolean): Promise<Attempt> {
  const { endpoints } = backend
  if (endpoints.length === 1) return tryStart(session, backend, hello, again)
  let best: Attempt | undefined
  for (const endpoint of endpoints) {
    const attempt = await tryStart(session, { ...backend, endpoints: [endpoint] }, hello, true)
    best = better(best, attempt)
    if ('upstream' in best && best.settled && best.hello.writable) return best
  }
  return 'upstream' in best! ? { ...best, settled: false } : best!
}

/** Closes the worse one. */
function better(one: Attempt | undefined, other: Attempt): Attempt {
  if (one === undefined || rank(other) > rank(one)) {
    if (one !== undefined && 'upstream' in one) one.upstream.destroy()
    return other
  }
  if ('upstream' in other) other.upstream.destroy()
  return one
}

function rank(attempt: Attempt): number {
  if ('error' in attempt || !attempt.settled) return 0
  return attempt.hello.writable ? 2 : 1
}

async function tryStart(session: Session, backend: Backend, hello: Buffer, again: boolean): Promise<Attempt> {
  let upstream: Upstream | undefined
  try {
    upstream = await session.dial(backend)
    const answer = await askHello(upstream, hello)
    return { upstream, hello: answer, settled: answer.ok || !notYet.has(answer.code) }
  } catch (cause) {
    upstream?.destroy()
    const error = GatewayError.from(cause)
    if (error.code === 'PROXY_BACKEND_CLOSED') return { error }
    // A port that was open a moment ago and is closed now belongs to a server that restarts.
    if (again && error.origin === 'backend' && error.code.startsWith('PROXY_DIAL_')) return { error }
    throw error
  }
}

/** Says hello to a backend that was dialled. Rejects with `PROXY_BACKEND_TLS`, `PROXY_BACKEND_CLOSED`, `PROXY_BACKEND_PROTOCOL`. */
export async function askHello(upstream: Upstream, hello: Buffer): Promise<BackendHello> {
  if (upstream.backend.tls?.mode === 'negotiated') throw negotiatedTls()
  await upstream.write(encodeMsg(helloId, 0, hello))
  return readAnswer(await upstream.read(backendFramer))
}

const backendFramer: Framer = (bytes) => {
  try {
    return messageFramer(bytes)
  } catch (cause) {
    throw new GatewayError('PROXY_BACKEND_PROTOCOL', { cause })
  }
}

function readAnswer(message: Buffer): BackendHello {
  try {
    if (message.readInt32LE(8) !== helloId) throw new Error('the answer to something else')
    return readBackendHello(new Elements(replyDocument(message)))
  } catch (cause) {
    throw new GatewayError('PROXY_BACKEND_PROTOCOL', { cause })
  }
}

/** Relaying all the same would send in plain what the resolver wants encrypted. */
function negotiatedTls(): GatewayError {
  return new GatewayError('PROXY_BACKEND_TLS', { message: 'MongoDB has no way to ask a backend for TLS' })
}
