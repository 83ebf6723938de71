import {
  type Clock,
  type Disposer,
  GatewayError,
  type Protocol,
  type ProtocolContext,
  type Session,
  systemClock,
} from '@proxy/kernel'
import { Dialogue, type Server } from './dialogue.ts'
import { openClient } from './opening.ts'
import { type SmtpOptions, type SmtpSettings, settingsOf } from './options.ts'
import { ready } from './ready.ts'
import { lastReply } from './refusals.ts'

class Smtp implements Protocol, Server {
  readonly api = 1
  readonly name: string
  readonly speaksFirst = 'server'
  readonly ready = ready
  readonly defaultPort: number
  readonly settings: SmtpSettings
  readonly told: WeakSet<GatewayError> = new WeakSet()
  clock: Clock = systemClock
  /** Ends a session that has not been introduced yet. */
  readonly #openings: Map<Session, (error: GatewayError) => void> = new Map()
  readonly #dialogues: Map<Session, Dialogue> = new Map()

  constructor(settings: SmtpSettings) {
    this.settings = settings
    this.name = settings.lmtp ? 'lmtp' : 'smtp'
    this.defaultPort = settings.lmtp ? 24 : 25
  }

  setup({ clock }: ProtocolContext): Disposer {
    this.clock = clock
    return () => this.#dialogues.clear()
  }

  async serve(session: Session): Promise<void> {
    if (session.tlsMode === 'passthrough') return this.#passThrough(session)
    const opening = await this.#open(session)
    if (opening === undefined) return
    const { link, unread } = session.client.detach()
    const dialogue = new Dialogue(this, session, link)
    this.#dialogues.set(session, dialogue)
    try {
      await dialogue.run(Buffer.concat([opening, unread]))
    } finally {
      this.#dialogues.delete(session)
    }
  }

  refuse(error: GatewayError, session: Session): string | undefined {
    return session.tlsMode === 'passthrough' || this.told.has(error) ? undefined : lastReply(error)
  }

  /** A reload is no reason to leave: sessions are short. */
  drain(session: Session): void {
    if (!session.draining) return
    this.#openings.get(session)?.(new GatewayError('PROXY_DRAINING'))
    this.#dialogues.get(session)?.drain()
  }

  async #open(session: Session): Promise<Buffer | undefined> {
    const drained = Promise.withResolvers<never>()
    this.#openings.set(session, drained.reject)
    try {
      return await Promise.race([openClient(session, this.settings), drained.promise])
    } finally {
      this.#openings.delete(session)
    }
  }

  /** TLS that is not ended here tells its server name, and nothing else. */
  async #passThrough(session: Session): Promise<void> {
    const { serverName } = await session.client.peekClientHello()
    if (serverName === undefined) throw new GatewayError('PROXY_NO_KEY')
    session.handOver(await session.route(serverName, { serverName }))
  }
}

/**
 * SMTP (RFC 5321), or LMTP (RFC 2033): routes a session by EHLO domain, recipient, user or SNI and relays it command by
 * command.
 *
 * Throws `PROXY_CONFIG_INVALID` for options that make no sense.
 */
export function smtp(options: SmtpOptions = {}): Protocol {
  return new Smtp(settingsOf(options))
}
