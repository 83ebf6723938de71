import {
  type Clock,
  type CloseReason,
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
import { isPermanent, lastReply } from './refusals.ts'
import { search } from './search.ts'
import { type Ending, isIntermediate, type Turn } from './turns.ts'
import { UpstreamEnd, type UpstreamOwner } from './upstream-end.ts'

/** Replies that may be outstanding. */
const maxTurns = 1_000
/** Bytes that may wait; then the client is paused. */
const maxHeld = 65_536

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
export class Dialogue implements LinkHandler, InputSink, UpstreamOwner, Relay, RelayFlight, Watched {
  readonly name = 'smtp'
  readonly session: Session
  readonly server: Server
  readonly commands: Commands
  readonly input: ClientInput
  upstream: UpstreamEnd | undefined = undefined
  gate: Gate = 'open'
  /** Counts the times that bytes of the client were taken: what shares a number came without waiting for replies. */
  batch = 0
  readonly #settled: PromiseWithResolvers<void> = Promise.withResolvers()
  readonly #relayed: PromiseWithResolvers<RelayResult> = Promise.withResolvers()
  readonly #turns: Turn[] = []
  #client: Link
  #out: Outbox
  #relaying = false
  #over = false
  #draining = false
  #clientEnded = false
  /** The command behind the gate `sync`. */
  #waiting: Buffer | undefined = undefined
  /** What is done once a backend is there. */
  #task: Task | undefined = undefined
  /** The backend's channel, on its way into the relay. */
  #channel: Upstream | undefined = undefined
  #tlsAsked = false
  #errors = 0
  #watch: IdleWatch | undefined = undefined

  constructor(server: Server, session: Session, client: Link) {
    this.server = server
    this.session = session
    this.#client = client
    this.#out = new Outbox(client)
    this.input = new ClientInput(this)
    this.commands = new Commands(this)
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
    return this.#turns.length === 0
  }

  get ready(): boolean {
    return this.gate === 'open' && !this.#stalled
  }

  // ---- for the commands -------------------------------------------------------------------------------------

  /** A reply of the gateway's, in its turn. Does not count as an error of the client's. */
  say(text: string, last?: Ending): void {
    if (last !== undefined) this.gate = 'closing'
    if (this.#turns.length > 0) this.#turns.push({ kind: 'local', text, last })
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
    this.#turns.push(turn)
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
    void this.#route(key, task)
  }

  /** STARTTLS is done once it is certain that nothing came behind it. */
  secureClient(): void {
    this.gate = 'tls'
    this.#tlsAsked = true
  }

  async #secure(): Promise<void> {
    if (this.input.held > 0) return this.#break('error', new GatewayError('PROXY_TLS_INJECTION'))
    this.#tlsAsked = false
    this.#out.release()
    const { client } = this.session
    if (this.upstream?.sawAuth === true) this.dropUpstream()
    this.commands.forget()
    this.#watch?.touch(this.server.clock.now())
    try {
      await client.secure(replies.goAhead)
    } catch (cause) {
      return this.#settle('error', GatewayError.from(cause, 'PROXY_TLS_HANDSHAKE'))
    }
    if (this.#over) return
    const { link, unread } = client.detach()
    this.#client = link
    this.#out = new Outbox(link)
    link.attach(this)
    this.gate = 'open'
    if (link.closed) return this.onClose(link, undefined)
    this.onData(link, unread)
  }

  /** Leaves the backend: in order where it awaits a command, unless it leaves itself. */
  dropUpstream(inOrder: boolean = this.#turns.length === 0 && !this.#inContent): void {
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
    this.#proceed()
  }

  /** A client that ends its side after its last command still gets the answers. */
  onEnd(link: Link): void {
    if (link !== this.#client || this.#over) return
    this.#clientEnded = true
    if (this.#turns.length === 0 || this.#inContent) this.#settle('client', new GatewayError('PROXY_CLIENT_GONE'))
  }

  onClose(link: Link, error: Error | undefined): void {
    if (link !== this.#client || this.#over || this.gate === 'tls') return
    this.#settle(error === undefined ? 'client' : 'client_reset', new GatewayError('PROXY_CLIENT_GONE'))
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
    if (this.#inContent) this.#break('error', error)
    else this.dismiss(error)
  }

  // ---- the backend ------------------------------------------------------------------------------------------

  onReply(upstream: UpstreamEnd, code: number, bytes: Buffer): void {
    if (upstream !== this.upstream || this.#over) return
    const turn = this.#turns[0]
    if (turn === undefined) return this.#onUnasked(upstream, code, bytes)
    if (code === 421) return this.#passLast(bytes)
    if (!this.#isAnswer(turn, code)) return this.#onNonsense()
    if (turn.kind === 'final' && !this.#isLastOf(turn)) return this.pass(bytes)
    this.#turns.shift()
    this.commands.onReply(turn, code, bytes)
    if (this.#over) return
    this.#flushLocal()
    this.#proceed()
  }

  onUpstreamDrain(): void {
    if (!this.#over) this.#proceed()
  }

  onUpstreamGone(upstream: UpstreamEnd, error: Error | undefined): void {
    if (upstream !== this.upstream || this.#over) return
    this.upstream = undefined
    if (this.#canDoWithout(upstream)) return
    const gone = GatewayError.is(error) ? error : new GatewayError('PROXY_BACKEND_CLOSED', { cause: error })
    this.#break(error === undefined ? 'backend' : 'backend_reset', gone)
  }

  onReplies(): void {
    this.#out.hold()
  }

  onRepliesEnd(): void {
    if (!this.#out.release()) this.upstream?.link.pause()
  }

  /** A reply of the backend's, for the client. */
  pass(bytes: Uint8Array): void {
    if (!this.#out.write(bytes)) this.upstream?.link.pause()
  }

  // ---- the flight -------------------------------------------------------------------------------------------

  start({ client, backend, backendUnread, options }: RelayRequest): RelayFlight {
    this.#relaying = true
    const { idleTimeoutMs = 0 } = options
    if (idleTimeoutMs > 0) this.#watch!.idleTimeoutMs = idleTimeoutMs
    client.resume()
    this.#adopt(backend, backendUnread)
    return this
  }

  /** Ends the session as soon as no transaction is under way. */
  drain(): void {
    if (this.#over) return
    this.#draining = true
    this.#leaveIfIdle()
  }

  abort(reason: CloseReason): void {
    this.#break(reason, new GatewayError(reason === 'drain' ? 'PROXY_DRAINING' : 'PROXY_KILLED'))
  }

  /** The session's abort before it relays. */
  handleEvent(): void {
    const error = GatewayError.from(this.session.signal.reason, 'PROXY_CLIENT_GONE')
    this.#break(error.code === 'PROXY_DRAINING' ? 'drain' : 'killed', error)
  }

  get moved(): number {
    return this.#client.bytesRead + this.#client.bytesWritten + (this.upstream?.link.bytesRead ?? 0)
  }

  get waitsFor(): Watched['waitsFor'] {
    if (this.gate === 'route') return 'busy'
    if (this.gate === 'tls') return 'handshake'
    return this.#turns.length > 0 ? 'backend' : 'client'
  }

  expire(reason: CloseReason, error: GatewayError): void {
    this.#break(reason, error)
  }

  // ---- routing ----------------------------------------------------------------------------------------------

  async #route(key: string, task: Task): Promise<void> {
    try {
      const upstream = await search(this, key, this.commands.hello!, this.commands.attributes)
      if (this.#over) return upstream?.destroy()
      if (upstream === undefined) return this.commands.begin(task, false)
      this.#task = task
      this.#take(upstream)
    } catch (cause) {
      if (!this.#over) this.#unrouted(task, GatewayError.from(cause))
    }
  }

  #take(upstream: Upstream): void {
    this.#channel = upstream
    if (this.#relaying) {
      const { link, unread } = upstream.detach()
      return this.#adopt(link, unread)
    }
    this.session.relay(upstream, { relay: this }).then(
      () => this.#settled.resolve(),
      (error: unknown) => {
        this.#relaying = false
        this.#settle('error', GatewayError.from(error))
      },
    )
  }

  #adopt(link: Link, unread: Buffer): void {
    const task = this.#task!
    this.#task = undefined
    const upstream = new UpstreamEnd(link, this.#channel!, task.stage, this)
    this.#channel = undefined
    this.upstream = upstream
    this.commands.begin(task, true)
    upstream.open(unread)
  }

  #unrouted(task: Task, error: GatewayError): void {
    const passing = task.stage === 'helo' && !isPermanent(error)
    if (passing || error.code === 'PROXY_DRAINING' || error.code === 'PROXY_KILLED') return this.#break('error', error)
    this.gate = 'open'
    this.commands.unrouted(task, error)
    if (!this.#over) this.#proceed()
  }

  // ---- turns ------------------------------------------------------------------------------------------------

  #isAnswer(turn: Turn, code: number): boolean {
    if (code >= 300 && code < 400) return isIntermediate(turn, code)
    if (turn.kind === 'data') return code >= 400
    // Success for a chunk that is still on its way would be success for what the backend does not have.
    const early = this.input.mode === 'chunk' && this.#turns.length === 1
    return !(early && code < 300)
  }

  #isLastOf(turn: { left: number }): boolean {
    if (turn.left === 0) turn.left = this.commands.repliesToMessage
    return --turn.left === 0
  }

  /** Nobody asked: 421 says goodbye, and in the middle of content an error may end the message. */
  #onUnasked(upstream: UpstreamEnd, code: number, bytes: Buffer): void {
    if (this.#canDoWithout(upstream)) this.dropUpstream(false)
    else if (code === 421 || (this.#inContent && code >= 400)) this.#passLast(bytes)
    else this.#onNonsense()
  }

  #passLast(bytes: Buffer): void {
    this.pass(bytes)
    this.dropUpstream(false)
    this.#settle('backend', undefined)
  }

  #onNonsense(): void {
    this.#break('backend_reset', new GatewayError('PROXY_BACKEND_PROTOCOL'))
  }

  #flushLocal(): void {
    for (let turn = this.#turns[0]; turn?.kind === 'local'; turn = this.#turns[0]) {
      this.#turns.shift()
      this.#sayNow(turn.text, turn.last)
      if (this.#over) return
    }
  }

  #sayNow(text: string, last: Ending | undefined): void {
    if (text !== '') this.#out.write(text)
    if (last !== undefined) this.#settle(last.reason, last.error as GatewayError | undefined)
  }

  /** Goes on where something was waited for. */
  #proceed(): void {
    this.batch++
    if (this.gate === 'sync' && this.#turns.length === 0) {
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
    if (this.#clientEnded && this.#turns.length === 0 && this.gate === 'open') {
      return this.#settle('client', new GatewayError('PROXY_CLIENT_GONE'))
    }
    this.#tune()
  }

  get #stalled(): boolean {
    const { upstream } = this
    return (
      this.#turns.length >= maxTurns || !this.#client.writable || (upstream !== undefined && !upstream.link.writable)
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

  get #inContent(): boolean {
    return this.input.mode === 'data' || this.input.mode === 'chunk'
  }

  // ---- the end ----------------------------------------------------------------------------------------------

  /** A backend that left between two messages is looked for again where each message is routed. */
  #canDoWithout(upstream: UpstreamEnd): boolean {
    if (this.#turns.length > 0 || this.#inContent || this.gate === 'reply') return false
    return this.gate === 'tls' || this.gate === 'route' || (upstream.stage === 'rcpt' && !this.commands.inTransaction)
  }

  #leaveIfIdle(): boolean {
    const idle = this.gate === 'open' && this.#turns.length === 0 && this.input.mode === 'commands'
    if (!this.draining || !idle || this.commands.inTransaction) return false
    this.#break('drain', new GatewayError('PROXY_DRAINING'))
    return true
  }

  /** Ends at once. Whoever waits for a reply gets this one. */
  #break(reason: CloseReason, error: GatewayError): void {
    if (this.#over) return
    const text = lastReply(error)
    if (text !== undefined && this.#tlsDone) this.#out.write(text)
    this.#settle(reason, error)
  }

  #settle(reason: CloseReason, error: GatewayError | undefined): void {
    if (this.#over) return
    this.#over = true
    this.#watch?.stop()
    this.session.signal.removeEventListener('abort', this)
    this.dropUpstream()
    this.#turns.length = 0
    const cause = error ?? this.commands.declined
    if (cause !== undefined) this.server.told.add(cause)
    if (this.#relaying) this.#relayed.resolve({ reason, error: cause })
    else if (cause === undefined) this.#settled.resolve()
    else this.#settled.reject(cause)
  }
}
