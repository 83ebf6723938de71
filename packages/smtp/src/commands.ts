import { GatewayError } from '@proxy/kernel'
import type { Dialogue } from './dialogue.ts'
import { Envelope } from './envelope.ts'
import { type Hello, helloLine, parseHello, relayedLines } from './hello.ts'
import { domainKey, type Facts, keyAt, pathOf, recipientKey, type Stage, userKey } from './keys.ts'
import { linesReply, localReply, replies } from './local-replies.ts'
import { Login, type Mechanism } from './login.ts'
import { isHello } from './opening.ts'
import { failureReply, foreign } from './refusals.ts'
import { type Turn, turnOf } from './turns.ts'
import { argumentOf, isForeign, lineFault, parseBdat, verbOf } from './wire.ts'

/** What is done as soon as its backend is there. */
export type Task =
  | { readonly stage: 'helo' }
  | { readonly stage: 'mail' | 'rcpt'; readonly line: Buffer }
  | { readonly stage: 'auth'; readonly mechanism: Mechanism; readonly response: string }

/** Makes of each command of the client what the backend is told, or a reply of the gateway's. */
export class Commands {
  hello: Hello | undefined = undefined
  /** Why the client's introduction led nowhere. */
  declined: GatewayError | undefined = undefined
  readonly #dialogue: Dialogue
  readonly #login: Login
  readonly #envelope: Envelope = new Envelope()
  /** The content of DATA is under way. */
  #inData = false
  /** The content that comes next goes nowhere. */
  #discarding = false
  #task: Task | undefined = undefined
  /** The batch of the client's bytes in which DATA was refused here. */
  #dataRefusedIn = -1

  constructor(dialogue: Dialogue) {
    this.#dialogue = dialogue
    this.#login = new Login(dialogue, this)
  }

  /** A message is under way: leaving now would cost it. */
  get inTransaction(): boolean {
    return this.#envelope.underWay || this.#login.underWay
  }

  get repliesToMessage(): number {
    return this.#envelope.repliesToEnd(this.#settings.lmtp)
  }

  /** For the resolver. */
  get attributes(): Readonly<Record<string, string>> {
    const attributes: Record<string, string> = { helo: this.hello!.name }
    const serverName = this.#dialogue.session.client.tls?.serverName
    if (serverName !== undefined) attributes['serverName'] = serverName
    const { user } = this.#login
    const { recipient } = this.#envelope
    if (user !== undefined) attributes['user'] = user
    if (recipient !== undefined) attributes['recipient'] = recipient
    return attributes
  }

  /** TLS has begun: what was said before it may have been said by anybody (RFC 3207 section 4.2). */
  forget(): void {
    this.hello = undefined
    this.declined = undefined
    this.#login.forget()
    this.#envelope.end()
  }

  take(line: Buffer): void {
    if (this.#dataRefusedIn === this.#dialogue.batch) return this.#dialogue.finish(replies.spokeTooSoon)
    const fault = lineFault(line)
    if (fault !== undefined) return this.#dialogue.dismiss(new GatewayError('PROXY_MALFORMED', { message: fault }))
    const verb = verbOf(line)
    if (isHello(verb, this.#settings)) return this.#greet(verb, line)
    switch (verb) {
      case 'MAIL':
      case 'RCPT':
      case 'DATA':
      case 'AUTH':
      case 'BDAT':
        return this.#takeOfMessage(verb, line)
      case 'STARTTLS':
        return this.#startTls(line)
      case 'RSET':
        return this.#reset(line)
      case 'QUIT':
        return this.#quit(line)
      default:
        return this.#takeAny(verb, line)
    }
  }

  takeAuthLine(line: Buffer): void {
    const fault = lineFault(line)
    if (fault !== undefined) return this.#dialogue.dismiss(new GatewayError('PROXY_MALFORMED', { message: fault }))
    this.#login.takeLine(line)
  }

  takeContent(bytes: Buffer, complete: boolean): void {
    if (this.#discarding) {
      this.#discarding = !complete
    } else if (complete && this.#inData) {
      this.#inData = false
      this.#dialogue.send(bytes, { kind: 'final', left: 0 })
    } else this.#dialogue.upstream?.out.write(bytes)
  }

  // ---- routing ----------------------------------------------------------------------------------------------

  /** The backend for the task is there; `fresh`: it has not been introduced to the client. */
  begin(task: Task, fresh: boolean): void {
    this.#dialogue.gate = 'reply'
    if (fresh) this.#login.authenticated = false
    if (task.stage === 'helo') return this.#dialogue.send(helloLine(this.hello!), turnOf('hello'))
    this.#task = task
    if (fresh) this.#dialogue.send(helloLine(this.hello!), turnOf('silentHello'))
    else this.#perform()
  }

  /** There is no backend for the task. */
  unrouted(task: Task, error: GatewayError): void {
    if (task.stage === 'auth') this.#login.forget()
    if (task.stage === 'helo') {
      this.hello = undefined
      this.declined = error
    }
    const reply = failureReply(error)
    if (reply.startsWith('5')) this.#dialogue.refuse(reply)
    else this.#dialogue.say(reply)
  }

  /** What the sources say so far. */
  keyAt(stage: Stage): ReturnType<typeof keyAt> {
    const { user } = this.#login
    const facts: Facts = {
      helo: this.hello === undefined ? undefined : domainKey(this.hello.name),
      user: user === undefined ? undefined : userKey(user),
      recipient: this.#envelope.recipient,
      sni: this.#dialogue.session.client.tls?.serverName,
      maySecure: this.#dialogue.session.client.canSecure,
    }
    return keyAt(stage, facts, this.#settings.keys)
  }

  /** Does what its backend was looked for. */
  #perform(): void {
    const task = this.#task
    if (task === undefined || task.stage === 'helo') return
    if (task.stage === 'rcpt') return this.#dialogue.send(this.#envelope.mail!, turnOf('silentMail'))
    if (task.stage === 'auth' && task.mechanism === 'LOGIN') {
      return this.#dialogue.send('AUTH LOGIN\r\n', turnOf('silentAuth'))
    }
    this.#task = undefined
    if (task.stage === 'auth') return this.#dialogue.send(`AUTH PLAIN ${task.response}\r\n`, turnOf('auth'))
    this.#dialogue.gate = 'open'
    this.#dialogue.send(task.line, turnOf('mail'))
  }

  // ---- replies ----------------------------------------------------------------------------------------------

  onReply(turn: Turn, code: number, bytes: Buffer): void {
    const taken = code < 300
    switch (turn.kind) {
      case 'hello':
        return this.#onHello(taken, bytes)
      case 'silentHello':
      case 'silentMail':
      case 'silentAuth':
        return this.#onSilent(turn.kind, code, bytes)
      case 'mail':
        if (taken) this.#envelope.begin()
        break
      case 'rcpt':
        if (taken) this.#envelope.accepted++
        break
      case 'data':
        return this.#onData(code, bytes)
      case 'chunk':
        if (!taken) this.#envelope.chunkFailed = true
        break
      case 'final':
        this.#envelope.end()
        break
      case 'reset':
        if (taken) this.#envelope.end()
        break
      case 'auth':
        return this.#login.onReply(code, bytes)
      case 'quit':
        this.#dialogue.pass(bytes)
        this.#dialogue.dropUpstream(false)
        return this.#dialogue.finish('')
      default:
        break
    }
    this.#dialogue.pass(bytes)
  }

  /** The client learns what holds on both sides. Who and where the backend is stays inside. */
  #onHello(taken: boolean, bytes: Buffer): void {
    this.#dialogue.gate = 'open'
    if (!taken) {
      this.hello = undefined
      return this.#dialogue.pass(bytes)
    }
    this.#envelope.end()
    this.#sayHello(this.#relayedLines(bytes))
  }

  #onSilent(kind: 'silentHello' | 'silentMail' | 'silentAuth', code: number, bytes: Buffer): void {
    const task = this.#task
    if (kind === 'silentAuth' && code === 334 && task?.stage === 'auth') {
      this.#task = undefined
      return this.#dialogue.send(`${task.response}\r\n`, turnOf('auth'))
    }
    // That this backend does not know EHLO is nothing for mail to bounce for.
    if (code >= 500 && kind === 'silentHello') return this.#fail(Buffer.from(replies.helloRefused))
    if (code >= 300) return this.#fail(bytes)
    if (kind === 'silentHello') {
      this.#relayedLines(bytes)
      return this.#perform()
    }
    this.#envelope.begin()
    this.#task = undefined
    this.#dialogue.gate = 'open'
    if (task?.stage === 'rcpt') this.#dialogue.send(task.line, turnOf('rcpt'))
  }

  /** What the backend says to the repetition is the answer to what the client waits for. */
  #fail(bytes: Buffer): void {
    this.#task = undefined
    this.#dialogue.gate = 'open'
    this.#dialogue.pass(bytes)
    // Next time it has to be introduced again.
    this.#dialogue.dropUpstream()
  }

  #onData(code: number, bytes: Buffer): void {
    this.#dialogue.gate = 'open'
    this.#dialogue.pass(bytes)
    if (code === 354) {
      this.#inData = true
      this.#dialogue.input.expectData()
    } else if (this.#dialogue.input.held > 0) {
      // What came behind DATA may be content, which must not be taken for commands.
      this.#dialogue.finish(replies.spokeTooSoon)
    }
  }

  #relayedLines(reply: Buffer): string[] {
    const { upstream, session } = this.#dialogue
    const lines = upstream?.introduced(reply) ?? []
    const encrypted = session.client.tls !== undefined
    return relayedLines(lines, { auth: this.#login.allowed, allTls: encrypted && upstream?.tls === true })
  }

  // ---- commands ---------------------------------------------------------------------------------------------

  #greet(verb: Hello['verb'], line: Buffer): void {
    const dialogue = this.#dialogue
    if (!dialogue.settledTurns) return dialogue.postpone(line)
    const hello = parseHello(verb, line)
    if (hello === undefined) return dialogue.refuse(replies.syntax)
    this.hello = hello
    this.declined = undefined
    this.#envelope.end()
    if (this.#lacksTls) return this.#sayHello([])
    const found = this.keyAt('helo')
    if (found === 'later') {
      dialogue.dropUpstream()
      return this.#sayHello(this.#ownLines())
    }
    if (found === undefined) return this.unrouted({ stage: 'helo' }, new GatewayError('PROXY_NO_KEY'))
    dialogue.route(found.key, { stage: 'helo' })
  }

  #sayHello(lines: readonly string[]): void {
    const { hostname } = this.#settings
    const all = [hostname, ...lines]
    if (this.#dialogue.session.client.canSecure) all.push('STARTTLS')
    this.#dialogue.pass(linesReply(250, this.hello?.verb === 'HELO' ? [hostname] : all))
  }

  /** What is offered while the backend is not known. */
  #ownLines(): string[] {
    const { extensions } = this.#settings
    const auth = this.#login.decides && this.#login.allowed
    return auth ? [...extensions, 'AUTH PLAIN LOGIN'] : [...extensions]
  }

  #startTls(line: Buffer): void {
    const dialogue = this.#dialogue
    const { client } = dialogue.session
    if (client.tls !== undefined) return dialogue.refuse(replies.tlsIsOn)
    if (!client.canSecure) return dialogue.refuse(replies.noTls)
    if (argumentOf(line) !== '') return dialogue.refuse(replies.syntax)
    if (!dialogue.settledTurns) return dialogue.postpone(line)
    dialogue.secureClient()
  }

  #reset(line: Buffer): void {
    this.#envelope.mail = undefined
    this.#envelope.recipient = undefined
    if (this.#dialogue.upstream === undefined) this.#dialogue.say(replies.ok)
    else this.#dialogue.send(line, turnOf('reset'))
  }

  #quit(line: Buffer): void {
    if (this.#dialogue.upstream === undefined) return this.#dialogue.finish(replies.bye)
    this.#dialogue.gate = 'closing'
    this.#dialogue.send(line, turnOf('quit'))
  }

  #takeAny(verb: string, line: Buffer): void {
    const own = localReply(verb)
    if (own === undefined && isForeign(line)) this.#dialogue.dismiss(foreign())
    else if (own === undefined) this.#dialogue.refuse(replies.unknown)
    else if (this.#dialogue.upstream === undefined) this.#dialogue.say(own)
    else this.#dialogue.send(line, turnOf('command'))
  }

  #takeOfMessage(verb: 'MAIL' | 'RCPT' | 'DATA' | 'AUTH' | 'BDAT', line: Buffer): void {
    const missing = this.#whatIsMissing()
    if (verb === 'BDAT') return this.#chunk(line, missing)
    if (missing !== undefined) return verb === 'DATA' ? this.#refuseData(missing) : this.#dialogue.refuse(missing)
    switch (verb) {
      case 'MAIL':
        return this.#takeMail(line)
      case 'RCPT':
        return this.#takeRecipient(line)
      case 'DATA':
        return this.#takeData(line)
      default:
        return this.#login.take(line)
    }
  }

  #whatIsMissing(): string | undefined {
    if (this.#lacksTls) return replies.tlsFirst
    if (this.hello !== undefined) return undefined
    return this.declined === undefined ? replies.helloFirst : failureReply(this.declined)
  }

  #takeMail(line: Buffer): void {
    const dialogue = this.#dialogue
    const stage = dialogue.upstream?.stage
    if (stage !== undefined && stage !== 'rcpt') return dialogue.send(line, turnOf('mail'))
    if (!dialogue.settledTurns) return dialogue.postpone(line)
    if (this.inTransaction) return dialogue.refuse(replies.nested)
    const found = this.keyAt('mail')
    if (found === undefined) return dialogue.refuse(this.#noKey())
    if (found !== 'later') return dialogue.route(found.key, { stage: 'mail', line: Buffer.from(line) })
    if (pathOf(argumentOf(line), 'FROM:') === undefined) return dialogue.refuse(replies.syntax)
    this.#envelope.mail = Buffer.from(line)
    dialogue.say(replies.mailHeld)
  }

  #takeRecipient(line: Buffer): void {
    const dialogue = this.#dialogue
    const { upstream } = dialogue
    if (this.#envelope.mail === undefined && upstream?.stage !== 'rcpt') {
      if (upstream === undefined) dialogue.refuse(replies.mailFirst)
      else dialogue.send(line, turnOf('rcpt'))
      return
    }
    if (!this.inTransaction) return dialogue.refuse(replies.mailFirst)
    const argument = argumentOf(line)
    if (pathOf(argument, 'TO:') === undefined) return dialogue.refuse(replies.syntax)
    this.#envelope.recipient = recipientKey(argument)
    const found = this.keyAt('rcpt')
    if (found === undefined || found === 'later') return dialogue.refuse(failureReply(new GatewayError('PROXY_NO_KEY')))
    if (this.#envelope.mail !== undefined) return dialogue.route(found.key, { stage: 'rcpt', line: Buffer.from(line) })
    if (found.key === upstream?.key) dialogue.send(line, turnOf('rcpt'))
    else dialogue.say(replies.oneTenant)
  }

  #takeData(line: Buffer): void {
    const fault = this.#whyNoContent()
    if (fault !== undefined) this.#refuseData(fault)
    else this.#dialogue.ask(line, turnOf('data'))
  }

  /** What came behind DATA may be content, which must not be taken for commands. */
  #refuseData(reply: string): void {
    this.#dialogue.refuse(reply)
    this.#dataRefusedIn = this.#dialogue.batch
  }

  /** Content that is not wanted is still content, and never read as commands. */
  #chunk(line: Buffer, missing: string | undefined): void {
    const dialogue = this.#dialogue
    const chunk = parseBdat(argumentOf(line))
    if (chunk === undefined) return dialogue.finish(replies.syntax)
    const offered = dialogue.upstream?.extensions.has('CHUNKING') === true
    const fault = missing ?? this.#whyNoContent() ?? (offered ? undefined : replies.notHere)
    this.#discarding = fault !== undefined && chunk.size > 0
    if (fault !== undefined) dialogue.refuse(fault)
    else dialogue.send(line, chunk.last ? { kind: 'final', left: 0 } : turnOf('chunk'))
    dialogue.input.expectChunk(chunk.size)
  }

  #whyNoContent(): string | undefined {
    const { upstream } = this.#dialogue
    if (this.#envelope.mail !== undefined) return replies.recipientFirst
    if (upstream === undefined || (upstream.stage === 'rcpt' && !this.#envelope.open)) return replies.mailFirst
    return undefined
  }

  // ---- state ------------------------------------------------------------------------------------------------

  get #settings(): Dialogue['server']['settings'] {
    return this.#dialogue.server.settings
  }

  get #lacksTls(): boolean {
    return this.#dialogue.session.tlsRequired && this.#dialogue.session.client.tls === undefined
  }

  #noKey(): string {
    if (this.#settings.keys.includes('sni') && this.#dialogue.session.client.canSecure) return replies.tlsFirst
    return this.#login.decides ? replies.loginFirst : failureReply(new GatewayError('PROXY_NO_KEY'))
  }
}
