import type { Session, Upstream } from '@proxy/kernel'
import type { Cancellable } from './cancel-keys.ts'
import type { Cancels } from './cancel.ts'
import {
  authenticationKind,
  authentications,
  backendRunFramer,
  choosesChannelBinding,
  clientMessageFramer,
  eachMessage,
  errorField,
  isReady,
  lastMessage,
  messageTypes,
  withHint,
  withoutChannelBinding,
} from './wire.ts'

/** What the backend's refusal, if it comes with this SQLSTATE, will have been about. */
interface Suspicion {
  readonly sqlState: string
  readonly hint: string
}

const channelBinding: Suspicion = {
  sqlState: '28000',
  hint:
    'The client bound its password to the TLS of the gateway, but the database has a TLS certificate of its own. ' +
    'Connect with channel_binding=disable, or have the gateway reach the database without TLS, by passthrough, ' +
    'or with the same certificate.',
}

const md5: Suspicion = {
  sqlState: '28P01',
  hint: 'The gateway changed the user name, which is part of an MD5 password: use scram-sha-256.',
}

/** One session while its backend authenticates the client. */
export interface Authentication {
  readonly session: Session
  readonly upstream: Upstream
  readonly cancels: Cancels
  readonly userChanged: boolean
  /** Filled in when the backend sends its key. */
  cancellable: Cancellable | undefined
  suspicion: Suspicion | undefined
}

/**
 * Relays whole messages, in turns, until the backend is ready or someone gives up; from there on nothing needs to be looked
 * at. ReadyForQuery is left unread for the relay, unless the client has already sent more.
 */
export async function authenticate(state: Authentication): Promise<void> {
  const { session, upstream } = state
  for (;;) {
    const next = await upstream.peek(backendRunFramer)
    if (isReady(next)) return ready(state)
    const run = await upstream.read(backendRunFramer)
    eachMessage(run, (message) => registerKey(state, message))
    const turn = lastMessage(run)
    await session.client.write(amend(state, run, turn))
    if (run[turn] === messageTypes.errorResponse) return
    if (run[turn] !== messageTypes.authentication) continue
    const kind = authenticationKind(run.subarray(turn))
    if (kind === authentications.ok || kind === authentications.saslFinal) continue
    if (!takesOneAnswer(kind)) return
    await passAnswer(state, kind)
  }
}

/** A client that did not wait has a query under way: the relay must not take the session for idle. */
async function ready({ session, upstream }: Authentication): Promise<void> {
  if (session.client.unread > 0) await session.client.write(await upstream.read(backendRunFramer))
}

/** GSSAPI and SSPI exchanges do not go strictly in turns: they, and whatever is still unknown, are left to the relay. */
function takesOneAnswer(kind: number): boolean {
  return (
    kind === authentications.cleartext ||
    kind === authentications.md5 ||
    kind === authentications.sasl ||
    kind === authentications.saslContinue
  )
}

async function passAnswer(state: Authentication, kind: number): Promise<void> {
  const answer = await state.session.client.read(clientMessageFramer)
  if (kind === authentications.md5 && state.userChanged) state.suspicion = md5
  if (kind === authentications.sasl && bindsToOurTls(state) && choosesChannelBinding(answer)) {
    state.suspicion = channelBinding
  }
  await state.upstream.write(answer)
}

/** Both ends have TLS, and it is not the same one: a binding holds only when both show one certificate. */
function bindsToOurTls({ session, upstream }: Authentication): boolean {
  return session.client.tls !== undefined && upstream.tls !== undefined
}

function registerKey(state: Authentication, message: Buffer): void {
  if (message[0] !== messageTypes.backendKeyData || state.cancellable !== undefined) return
  state.cancellable = state.cancels.register(message, state.upstream)
}

/** The run as the client is to have it; only its last message is ever changed in length. */
function amend(state: Authentication, run: Buffer, turn: number): Buffer {
  const last = run.subarray(turn)
  const amended = amendMessage(state, last)
  return amended === last ? run : Buffer.concat([run.subarray(0, turn), amended])
}

function amendMessage({ session, upstream, suspicion }: Authentication, message: Buffer): Buffer {
  if (message[0] === messageTypes.errorResponse) {
    return suspicion?.sqlState === errorField(message, 'C') ? withHint(message, suspicion!.hint) : message
  }
  // Without TLS of its own the client has nothing to bind to, and libpq takes the offer for an attack.
  const offers = message[0] === messageTypes.authentication && authenticationKind(message) === authentications.sasl
  return offers && session.client.tls === undefined && upstream.tls !== undefined
    ? withoutChannelBinding(message)
    : message
}
