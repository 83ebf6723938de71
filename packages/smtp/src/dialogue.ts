import {
  type Clock,
  type CloseReason,
  type ErrorCode,
  GatewayError,
  type Link,
  type LinkHandler,
  type Relay,
  type RelayFlight,
  type RelayRequest,
  type RelayResult,
  type Session,
  type Upstream,
} from '@proxy/kernel'
import { ClientInput, type InputSink } from './client-input.ts'
import { Commands, type Task } from './commands.ts'
import { replies } from './local-replies.ts'
import type { SmtpSettings } from './options.ts'
import { Outbox } from './outbox.ts'
import { IdleWatch, type Watched } from './idle-watch.ts'
import { lastReply } from './refusals.ts'
import { Router } from './router.ts'
import type { Ending, Turn } from './turns.ts'
import type { UpstreamEnd } from './upstream-end.ts'

/** Replies that may be outstanding. */
const maxTurns = 1_000
/** Bytes that may wait; then the client is paused. */
const maxHeld = 65_536

const reasons: Partial<Record<ErrorCode, CloseReason>> = { PROXY_CLIENT_GONE: 'client', PROXY_DRAINING: 'drain' }

/** What dialogues share. */
export interface Server {
  readonly settings: SmtpSettings
  readonly clock: Clock
  /** Errors whose clients have had their reply. */
  readonly told: WeakSet<GatewayError>
}

/** Why no command is taken from the client. */
type Gate =
  | 'open'
  /** All turns must be over first, for the command that waits changes what they belong to. */
  | 'sync'
  /** The reply to the last command says how to go on. */
  | 'reply'
  | 'route'
  | 'tls'
  | 'closing'

/**
 * A session from the client's EHLO to its end: takes commands one by one, passes them to the backend and its replies back, and
 * sends content only where the backend awaits it. It is its own relay, as backends may change on the way.
 */
export class Dialogue implements LinkHandler, InputSink, Relay, RelayFlight, Watched {
  readonly name = 'smtp'
  readonly session: Session
  readonly server: Server
  readonly commands: Commands
  readonly input: ClientInput
  readonly #router: Router
  readonly turns: Turn[] = []
  upstream: UpstreamEnd | undefined = undefined
  /** Towards the client. */
  out: Outbox
  gate: Gate = 'open'
  /** Counts the times that bytes of the client were taken: what shares a number came without waiting for replies. */
  batch = 0
  readonly #settled: PromiseWithResolvers<void> = Promise.withResolvers()
  readonly #relayed: PromiseWithResolvers<RelayResult> = Promise.withResolvers()

  #client: Link
  #relaying = false
  #over = false
  #draining = false
  #clientEnded = false
  /** The command behind the gate `sync`. */
  #waiting: Buffer | undefined = undefined
  #tlsAsked = false
  #errors = 0
  #watch: IdleWatch | undefined = undefined

  constructor(server: Server, session: Session, client: Link) {
    this.server = server
    this.session = session
    this.#client = client
    this.out = new Outbox(client)
    this.input = new ClientInput(this)
    this.commands = new Commands(this)
    this.#router = new Router(this)
  }

  /** `opening`: the client's introduction and what came behind it. */
  run(opening: Buffer): Promise<void> {
    const { clock, settings } = this.server
    this.#watch = new IdleWatch(clock, settings.idleTimeoutMs, this)
    this.session.signal.addEventListener('abort', this)
    this.#client.attach(this)
    this.onData(this.#client, opening)
    if (this.#client.closed) this.onClose(this.#client, undefined)
    return this.#settled.promise
  }

  get done(): Promise<RelayResult> {
    return this.#relayed.promise
  }

  get over(): boolean {
    return this.#over
  }

  get draining(): boolean {
    return this.#draining || this.session.draining
  }

  /** No reply is outstanding. */
  get settledTurns(): boolean {
    return this.turns.length === 0
  }

  get ready(): boolean {
    return this.gate === 'open' && !this.#stalled
  }

  // ---- for the commands -------------------------------------------------------------------------------------

  /** A reply of the gateway's, in its turn. Does not count as an error of the client's. */
  say(text: string, last?: Ending): void {
    if (last !== undefined) this.gate = 'closing'
    if (this.turns.length > 0) this.turns.push({ kind: 'local', text, last })
    else this.#sayNow(text, last)
  }

  /** A reply that refuses a command. Too many of them end the session. */
  refuse(text: string): void {
    if (++this.#errors < this.server.settings.maxErrors) this.say(text)
    else this.say(replies.tooManyErrors, { reason: 'done', error: undefined })
  }

  /** The last reply of the session, behind those that are outstanding. */
  dismiss(error: GatewayError): void {
    this.say(lastReply(error) ?? '', { reason: 'error', error })
  }

  /** Passes a command on. */
  send(line: Uint8Array | string, turn: Turn): void {
    this.turns.push(turn)
    this.upstream?.out.write(line)
  }

  /** Passes on what is answered before anything else may be said. */
  ask(line: Buffer, turn: Turn): void {
    this.gate = 'reply'
    this.send(line, turn)
  }

  /** The command is taken up again when no reply is outstanding. */
  postpone(line: Buffer): void {
    this.gate = 'sync'
    this.#waiting = Buffer.from(line)
  }

  /** The session ends well. */
  finish(text: string): void {
    this.say(text, { reason: 'done', error: undefined })
  }

  /** Finds a backend for the key, and then does the task. */
  route(key: string, task: Task): void {
    this.gate = 'route'
    void this.#router.route(key, task)
  }

  /** STARTTLS is done once it is certain that nothing came behind it. */
  secureClient(): void {
    this.gate = 'tls'
    this.#tlsAsked = true
  }

  async #secure(): Promise<void> {
    if (this.input.held > 0) return this.fail('error', new GatewayError('PROXY_TLS_INJECTION'))
    this.#tlsAsked = false
    this.out.release()
    const { client } = this.session
    if (this.upstream?.sawAuth === true) this.dropUpstream()
    this.commands.forget()
    this.#watch?.touch(this.server.clock.now())
    try {
      await client.secure(replies.goAhead)
    } catch (cause) {
      const error = GatewayError.from(cause, 'PROXY_TLS_HANDSHAKE')
      return this.settle(reasons[error.code] ?? 'error', error)
    }
    if (this.#over) return
    const { link, unread } = client.detach()
    this.#client = link
    this.out = new Outbox(link)
    link.attach(this)
    this.gate = 'open'
    if (link.closed) return this.onClose(link, undefined)
    this.onData(link, unread)
  }

  /** Leaves the backend: in order where it awaits a command, unless it leaves itself. */
  dropUpstream(inOrder: boolean = this.turns.length === 0 && !this.inContent): void {
    const upstream = this.upstream
    this.upstream = undefined
    upstream?.leave(inOrder)
  }

  // ---- the client's link ------------------------------------------------------------------------------------

  onData(link: Link, bytes: Buffer): void {
    if (link !== this.#client || this.#over) return
    const upstream = this.upstream?.out
    this.batch++
    upstream?.hold()
    this.input.push(bytes)
    upstream?.release()
    if (!this.#over && !this.#leaveIfIdle()) this.#tune()
  }

  onDrain(link: Link): void {
    if (link !== this.#client || this.#over) return
    this.upstream?.link.resume()
    this.proceed()
  }

  /** A client that ends its side after its last command still gets the answers. */
  onEnd(link: Link): void {
    if (link !== this.#client || this.#over) return
    this.#clientEnded = true
    if (this.turns.length === 0 || this.inContent) this.settle('client', new GatewayError('PROXY_CLIENT_GONE'))
  }

  onClose(link: Link, error: Error | undefined): void {
    if (link !== this.#client || this.#over || this.gate === 'tls') return
    this.settle(error === undefined ? 'client' : 'client_reset', new GatewayError('PROXY_CLIENT_GONE'))
  }

  // ---- what the client says ---------------------------------------------------------------------------------

  onCommand(line: Buffer): void {
    this.commands.take(line)
  }

  onAuthLine(line: Buffer): void {
    this.commands.takeAuthLine(line)
  }

  onContent(bytes: Buffer, complete: boolean): void {
    this.commands.takeContent(bytes, complete)
  }

  /** Content that is not what it must be never gets its end: the backend forgets the message. */
  onFault(error: GatewayError): void {
    this.dismiss(error)
  }

  // ---- the backend ------------------------------------------------------------------------------------------

  /** A reply of the backend's, for the client. */
  pass(bytes: Uint8Array): void {
    if (!this.out.write(bytes)) this.upstream?.link.pause()
  }

  // ---- the flight -------------------------------------------------------------------------------------------

  start({ client, backend, backendUnread, options }: RelayRequest): RelayFlight {
    this.#relaying = true
    const { idleTimeoutMs = 0 } = options
    if (idleTimeoutMs > 0) this.#watch!.idleTimeoutMs = idleTimeoutMs
    client.resume()
    this.#router.adopt(backend, backendUnread)
    return this
  }

  /** Ends the session as soon as no transaction is under way. */
  drain(): void {
    if (this.#over) return
    this.#draining = true
    this.#leaveIfIdle()
  }

  abort(reason: CloseReason): void {
    this.fail(reason, new GatewayError(reason === 'drain' ? 'PROXY_DRAINING' : 'PROXY_KILLED'))
  }

  /** The session's abort before it relays. */
  handleEvent(): void {
    const error = GatewayError.from(this.session.signal.reason, 'PROXY_CLIENT_GONE')
    this.fail(reasons[error.code] ?? 'killed', error)
  }

  get moved(): number {
    return this.#client.bytesRead + this.#client.bytesWritten + (this.upstream?.link.bytesRead ?? 0)
  }

  get waitsFor(): Watched['waitsFor'] {
    if (this.gate === 'route') return 'busy'
    if (this.gate === 'tls') return 'handshake'
    return this.turns.length > 0 ? 'backend' : 'client'
  }

  expire(reason: CloseReason, error: GatewayError): void {
    this.fail(reason, error)
  }

  /** Takes a backend into the relay, which begins with the first. */
  join(channel: Upstream): void {
    if (this.#relaying) {
      const { link, unread } = channel.detach()
      return this.#router.adopt(link, unread)
    }
    this.session.relay(channel, { relay: this }).then(
      () => this.#settled.resolve(),
      (error: unknown) => {
        this.#relaying = false
        this.settle('error', GatewayError.from(error))
      },
    )
  }

  // ---- turns ------------------------------------------------------------------------------------------------

  /** Says what has waited for the replies that are there now. */
  flush(): void {
    for (let turn = this.turns[0]; turn?.kind === 'local'; turn = this.turns[0]) {
      this.turns.shift()
      this.#sayNow(turn.text, turn.last)
    }
  }

  #sayNow(text: string, last: Ending | undefined): void {
    if (text !== '') this.out.write(text)
    if (last !== undefined) this.settle(last.reason, last.error as GatewayError | undefined)
  }

  /** Goes on where something was waited for. */
  proceed(): void {
    if (this.#over) return
    this.batch++
    if (this.gate === 'sync' && this.turns.length === 0) {
      const line = this.#waiting!
      this.#waiting = undefined
      this.gate = 'open'
      this.commands.take(line)
    }
    if (this.#over || this.#leaveIfIdle()) return
    const upstream = this.upstream?.out
    upstream?.hold()
    this.input.advance()
    upstream?.release()
    if (this.#over) return
    if (this.#clientEnded && this.turns.length === 0 && this.gate === 'open') {
      return this.settle('client', new GatewayError('PROXY_CLIENT_GONE'))
    }
    this.#tune()
  }

  get #stalled(): boolean {
    const { upstream } = this
    return (
      this.turns.length >= maxTurns || !this.#client.writable || (upstream !== undefined && !upstream.link.writable)
    )
  }

  /** Reads on, so that a client that leaves is noticed, unless there is no room for what it says. */
  #tune(): void {
    if (this.#over) return
    if (this.#tlsAsked) void this.#secure()
    if (this.gate === 'tls') return
    if (this.#stalled || this.input.held > maxHeld) this.#client.pause()
    else this.#client.resume()
  }

  /** False while nothing but TLS would be understood. */
  get #tlsDone(): boolean {
    return this.gate !== 'tls' || this.#tlsAsked
  }

  /** The client is in the middle of a message's bytes. */
  get inContent(): boolean {
    return this.input.mode === 'data' || this.input.mode === 'chunk'
  }

  // ---- the end ----------------------------------------------------------------------------------------------

  #leaveIfIdle(): boolean {
    const idle = this.gate === 'open' && this.turns.length === 0 && this.input.mode === 'commands'
    if (!this.draining || !idle || this.commands.inTransaction) return false
    this.fail('drain', new GatewayError('PROXY_DRAINING'))
    return true
  }

  /** Ends at once. Whoever waits for a reply gets this one. */
  fail(reason: CloseReason, error: GatewayError): void {
    if (this.#over) return
    const text = lastReply(error)
    if (text !== undefined && this.#tlsDone) this.out.write(text)
    this.settle(reason, error)
  }

  settle(reason: CloseReason, error: GatewayError | undefined): void {
    if (this.#over) return
    this.#over = true
    this.#watch?.stop()
    this.session.signal.removeEventListener('abort', this)
    this.dropUpstream()
    this.turns.length = 0
    const cause = error ?? this.commands.declined
    if (cause !== undefined) this.server.told.add(cause)
    if (this.#relaying) this.#relayed.resolve({ reason, error: cause })
    else if (cause === undefined) this.#settled.resolve()
    else this.#settled.reject(cause)
  }
}
