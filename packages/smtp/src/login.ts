import { GatewayError } from '@proxy/kernel'
import type { Commands } from './commands.ts'
import type { Dialogue } from './dialogue.ts'
import { endsAtGateway } from './hello.ts'
import { replies } from './local-replies.ts'
import { failureReply } from './refusals.ts'
import { loginUser, parseAuth, plainUser } from './sasl.ts'
import { turnOf } from './turns.ts'
import { argumentOf } from './wire.ts'

/** Mechanisms whose first response tells the user. */
export type Mechanism = 'PLAIN' | 'LOGIN'

/**
 * AUTH (RFC 4954). The backend judges it; where the user tells the tenant, the beginning of the exchange is held here until
 * the user is known, and then repeated to the backend.
 */
export class Login {
  user: string | undefined = undefined
  authenticated = false
  readonly #dialogue: Dialogue
  readonly #commands: Commands
  /** The exchange that is held here. */
  #mechanism: Mechanism | undefined = undefined

  constructor(dialogue: Dialogue, commands: Commands) {
    this.#dialogue = dialogue
    this.#commands = commands
  }

  /** The user is about to be told. */
  get underWay(): boolean {
    return this.#mechanism !== undefined
  }

  /** Passwords may be sent. */
  get allowed(): boolean {
    return this.#dialogue.session.client.tls !== undefined || this.#dialogue.server.settings.plainAuth
  }

  /** By AUTH the tenant may still be told. */
  get decides(): boolean {
    return this.#dialogue.server.settings.keys.includes('user') && !this.authenticated
  }

  forget(): void {
    this.user = undefined
    this.authenticated = false
  }

  take(line: Buffer): void {
    const dialogue = this.#dialogue
    if (!this.allowed) return dialogue.refuse(replies.loginEncrypted)
    if (!dialogue.settledTurns) return dialogue.postpone(line)
    if (this.authenticated) return dialogue.refuse(replies.loginTwice)
    const auth = parseAuth(argumentOf(line))
    if (auth === undefined) return dialogue.refuse(replies.syntax)
    if (endsAtGateway(auth.mechanism)) return dialogue.refuse(replies.mechanism)
    if (dialogue.upstream !== undefined && dialogue.upstream.stage !== 'rcpt') return this.#pass(line)
    if (!this.decides) return dialogue.refuse(replies.loginNotHere)
    const { mechanism, initial } = auth
    if (mechanism !== 'PLAIN' && mechanism !== 'LOGIN') return dialogue.refuse(replies.mechanism)
    if (initial !== undefined) return this.#route(mechanism, initial)
    this.#mechanism = mechanism
    dialogue.input.expectAuth()
    dialogue.say(mechanism === 'PLAIN' ? '334 \r\n' : '334 VXNlcm5hbWU6\r\n')
  }

  /** The client's answer to a 334. */
  takeLine(line: Buffer): void {
    const mechanism = this.#mechanism
    if (mechanism === undefined) return this.#pass(line)
    this.#mechanism = undefined
    const response = line.toString('latin1').trim()
    if (response === '*') this.#dialogue.refuse(replies.loginCancelled)
    else this.#route(mechanism, response)
  }

  onReply(code: number, bytes: Buffer): void {
    const dialogue = this.#dialogue
    dialogue.gate = 'open'
    dialogue.pass(bytes)
    if (code === 334) return dialogue.input.expectAuth()
    this.authenticated = code === 235
    if (this.authenticated) return
    // Who is refused is nobody, and the next attempt may be another tenant's.
    this.user = undefined
    if (dialogue.upstream?.stage === 'auth') dialogue.dropUpstream()
  }

  /** Only the user in the response is looked at. */
  #route(mechanism: Mechanism, response: string): void {
    this.user = mechanism === 'PLAIN' ? plainUser(response) : loginUser(response)
    if (this.user === undefined) return this.#dialogue.refuse(replies.syntax)
    const found = this.#commands.keyAt('auth')
    if (found === 'later' || found === undefined) this.user = undefined
    if (found === 'later') return this.#dialogue.refuse(replies.loginNotHere)
    if (found === undefined) return this.#dialogue.refuse(failureReply(new GatewayError('PROXY_NO_KEY')))
    this.#dialogue.route(found.key, { stage: 'auth', mechanism, response })
  }

  #pass(line: Buffer): void {
    if (this.#dialogue.upstream !== undefined) this.#dialogue.upstream.sawAuth = true
    this.#dialogue.ask(line, turnOf('auth'))
  }
}
