import {
  type Disposer,
  GatewayError,
  type Protocol,
  type ProtocolContext,
  type RelayOptions,
  type Session,
} from '@proxy/kernel'
import { type Authentication, authenticate } from './authentication.ts'
import { Cancels } from './cancel.ts'
import { detectPostgres } from './detect.ts'
import { alpn, openClient } from './opening.ts'
import { type PostgresOptions, type PostgresSettings, settingsOf } from './options.ts'
import { routePassthrough } from './passthrough.ts'
import { ready } from './ready.ts'
import { goodbye, refusal, tlsAlert } from './refusals.ts'
import { routeOf } from './routing.ts'
import type { StartupMessage } from './startup-message.ts'
import { startBackend } from './startup.ts'
import { endsIdle } from './wire.ts'

const relayOptions: RelayOptions = { quiet: endsIdle, goodbye }

class Postgres implements Protocol {
  readonly api = 1
  readonly name = 'postgresql'
  readonly speaksFirst = 'client'
  readonly defaultPort = 5432
  readonly alpn: readonly string[] = [alpn]
  readonly detect = detectPostgres
  readonly ready = ready
  readonly #settings: PostgresSettings
  /** Sessions whose client can read nothing but TLS, which is not there (yet). */
  readonly #awaitingTls: WeakSet<Session> = new WeakSet()
  #running: { readonly context: ProtocolContext; readonly cancels: Cancels } | undefined

  constructor(settings: PostgresSettings) {
    this.#settings = settings
  }

  setup(context: ProtocolContext): Disposer {
    const cancels = new Cancels(this.#settings, context)
    this.#running = { context, cancels }
    return () => cancels.stop()
  }

  async serve(session: Session): Promise<void> {
    const opening = await openClient(session, this.#awaitingTls)
    if (opening.kind === 'cancel') return this.#inGateway.cancels.serve(session, opening.packet)
    if (opening.kind === 'startup') return this.#start(session, opening.startup)
    this.#awaitingTls.add(session)
    session.handOver(await routePassthrough(session, opening.asked, this.#settings))
  }

  refuse(error: GatewayError, session: Session): Uint8Array | undefined {
    return this.#awaitingTls.has(session) ? tlsAlert(error) : refusal(error)
  }

  get #inGateway(): { readonly context: ProtocolContext; readonly cancels: Cancels } {
    if (this.#running === undefined) throw new GatewayError('PROXY_INTERNAL', { cause: new Error('not set up') })
    return this.#running
  }

  async #start(session: Session, startup: StartupMessage): Promise<void> {
    const { client, tlsMode } = session
    if (client.tls === undefined && (session.tlsRequired || tlsMode === 'passthrough')) {
      throw new GatewayError('PROXY_TLS_REQUIRED')
    }
    const route = routeOf(startup, client.tls?.serverName, this.#settings)
    const answer = session.resolve(route.key, route.attributes)
    const backend = answer instanceof Promise ? await answer : answer
    const { context, cancels } = this.#inGateway
    const { readinessTimeoutMs } = this.#settings
    const upstream = await startBackend(session, backend, route.packet, context.clock, readinessTimeoutMs)
    // Not awaited: what was read of the handshake need not live as long as the session.
    return this.#session({
      session,
      upstream,
      cancels,
      userChanged: route.userChanged,
      cancellable: undefined,
      suspicion: undefined,
    })
  }

  async #session(state: Authentication): Promise<void> {
    try {
      await authenticate(state)
      state.session.handOver(state.upstream, relayOptions, state.cancellable)
    } catch (cause) {
      state.cancellable?.relayed()
      throw cause
    }
  }
}

/**
 * PostgreSQL (protocol 3, any minor version): routes a session by database, connection options, user name or SNI and
 * relays it to its end. No pooling: each client connection is one backend connection.
 *
 * Throws `PROXY_CONFIG_INVALID` for options that make no sense.
 */
export function postgres(options: PostgresOptions = {}): Protocol {
  return new Postgres(settingsOf(options))
}
