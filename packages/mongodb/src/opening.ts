import {
  type Backend,
  type Clock,
  filteredRelay,
  type Framer,
  formatAddress,
  GatewayError,
  type Session,
  type Upstream,
} from '@proxy/kernel'
import { isWhatsMyUri, localAnswer, whatsMyUriDocument } from './answers.ts'
import { DocumentWriter, Elements } from './bson.ts'
import { isFarewell, isHello, isHidden, isSystemDatabase } from './commands.ts'
import { type Hello, helloDocument, helloForBackend, readHello, readLogin } from './hello.ts'
import type { MongodbSettings } from './options.ts'
import { type Pin, Pinned } from './pinned.ts'
import {
  answer,
  hiddenCommand,
  legacyQuery,
  noX509,
  type Request,
  isBearable,
  refusal,
  unknownApiVersion,
} from './refusals.ts'
import { Clues, keyOfDatabase, noKey, type Route } from './routing.ts'
import type { CommandScan, Names } from './scan.ts'
import { startBackend } from './startup.ts'
import { messageFramer, opCodes } from './wire.ts'

/** What a connection needs of its protocol. */
export interface OpeningHost {
  readonly settings: MongodbSettings
  readonly clock: Clock
  readonly names: Names
  /** Given to the client as its `connectionId`. */
  readonly connection: number
}

/** A connection from its first message to its backend, if it ever needs one: monitors never do. */
export class Opening implements Pin {
  readonly names: Names
  readonly #session: Session
  readonly #host: OpeningHost
  readonly #scan: CommandScan
  readonly #clues: Clues
  #hello: Hello | undefined = undefined
  #route: Route | undefined = undefined
  /** The database that was looked at last, and may be used. */
  #allowed = ''
  #sessions = false
  #service: string | undefined = undefined
  /** The command in question was read. */
  #taken = false

  constructor(session: Session, host: OpeningHost, scan: CommandScan) {
    this.names = host.names
    this.#session = session
    this.#host = host
    this.#scan = scan
    this.#clues = new Clues(host.settings, session.client.tls?.serverName)
  }

  /** The client has asked something, so that a refusal can be the answer to it. */
  async heard(): Promise<void> {
    await this.#session.client.peek(this.#framer)
  }

  /** Answers what needs no backend until something does; undefined: nothing did, and the gateway drains. */
  async untilRouted(): Promise<Upstream | undefined> {
    for (;;) {
      await this.#session.client.peek(this.#framer)
      const upstream = await this.#tryCommand()
      if (upstream !== undefined) return upstream
      this.#scan.reset()
      if (!(await this.#session.idle())) return undefined
    }
  }

  /** The rest of the connection. Its unread bytes begin with the command that routed it. */
  relay(upstream: Upstream): void {
    this.#session.handOver(upstream, { relay: filteredRelay(new Pinned(this)) })
  }

  get client(): string {
    return formatAddress(this.#session.client.peer)
  }

  get sessions(): boolean {
    return this.#sessions
  }

  allows(database: string): boolean {
    if (database === this.#allowed || this.#route?.byDatabase !== true) return true
    const allowed = isSystemDatabase(database) || keyOfDatabase(database, this.#host.settings) === this.#route.key
    if (allowed) this.#allowed = database
    return allowed
  }

  hello(command: string, request: Request): Buffer {
    return answer(this.#helloDocument(command === 'hello', this.#hello?.helloOk === true, undefined), request)
  }

  readonly #framer: Framer = (bytes) => {
    const scan = this.#scan
    // Goes on where it stopped: what was there before has not changed.
    scan.advance(bytes, 0, bytes.length, 0)
    return scan.decided ? Math.min(scan.next, bytes.length) : 0
  }

  /** A client that was told that there is no backend may ask again, or for another one. */
  async #tryCommand(): Promise<Upstream | undefined> {
    this.#taken = false
    try {
      return await this.#command()
    } catch (error) {
      if (!GatewayError.is(error) || !isBearable(error) || this.#session.signal.aborted) throw error
      this.#route = undefined
      if (!this.#taken) await this.#session.client.read(messageFramer).catch(() => Promise.reject(error))
      await this.#send(refusal(error, this.#scan))
      return undefined
    }
  }

  /** The upstream of a connection that is routed by the command; undefined: the command was answered. */
  #command(): Promise<Upstream | undefined> {
    const { opCode, command = '' } = this.#scan
    if (isHello(command)) return this.#answerHello(command === 'hello')
    if (opCode === opCodes.query) return this.#reply(legacyQuery(this.#scan))
    if (isHidden(command)) return this.#reply(hiddenCommand(this.#scan))
    if (command === 'authenticate') return this.#reply(noX509(this.#scan))
    if (isWhatsMyUri(command)) return this.#reply(answer(whatsMyUriDocument(this.client), this.#scan))
    if (command === 'saslStart') return this.#login()
    return this.#routeOrAnswer(command)
  }

  async #answerHello(modern: boolean): Promise<Upstream | undefined> {
    const hello = readHello(this.#documentOf(await this.#take()), modern)
    this.#remember(hello)
    if ((hello.apiVersion ?? '1') !== '1') return this.#send(unknownApiVersion(this.#scan))
    this.#clues.hear(hello)
    const asked = hello.saslSupportedMechs
    if (asked === undefined) return this.#send(this.#helloAnswer(hello, undefined))
    const route = this.#clues.route(undefined) ?? this.#clues.defaultRoute(undefined)
    if (route === undefined) return this.#send(this.#helloAnswer(hello, this.#ownMechanisms()))
    return this.#startForHello(route, hello, asked)
  }

  /** Clients give their metadata once. */
  #remember(hello: Hello): void {
    const forBackend = hello.forBackend.length > 0 ? hello.forBackend : (this.#hello?.forBackend ?? [])
    this.#hello = { ...hello, forBackend }
  }

  /** Only the backend knows what its user may use. */
  async #startForHello(route: Route, hello: Hello, user: string): Promise<Upstream> {
    const { upstream, mechanisms } = await this.#start(route, user)
    await this.#send(this.#helloAnswer(hello, mechanisms))
    this.#scan.reset()
    return upstream
  }

  async #login(): Promise<Upstream | undefined> {
    const message = await this.#session.client.peek(messageFramer)
    this.#clues.hearLogin(readLogin(this.#documentOf(message)))
    const route = this.#clues.route(undefined) ?? this.#clues.defaultRoute(undefined)
    if (route === undefined) return this.#reply(refusal(noKey(this.#host.settings), this.#scan))
    return (await this.#start(route, undefined)).upstream
  }

  async #routeOrAnswer(command: string): Promise<Upstream | undefined> {
    const { settings } = this.#host
    const { database } = this.#scan
    const local = localAnswer(command, settings)
    const route = isFarewell(command) ? undefined : this.#clues.route(database)
    if (route === undefined && local !== undefined) return this.#reply(answer(local, this.#scan))
    const chosen = route ?? this.#clues.defaultRoute(database)
    if (chosen === undefined) return this.#reply(refusal(noKey(settings), this.#scan))
    return (await this.#start(chosen, undefined)).upstream
  }

  async #start(
    route: Route,
    mechanismsFor: string | undefined,
  ): Promise<{ upstream: Upstream; mechanisms?: Buffer | undefined }> {
    const { settings, clock } = this.#host
    const { wireVersions, readinessTimeoutMs } = settings
    this.#route = route
    const found = this.#session.resolve(route.key, route.attributes)
    const backend: Backend = found instanceof Promise ? await found : found
    const hello = helloForBackend(this.#hello, mechanismsFor)
    const options = { hello, wireVersions, readinessTimeoutMs }
    const started = await startBackend(this.#session, backend, clock, options)
    this.#sessions = started.hello.sessions
    return { upstream: started.upstream, mechanisms: started.hello.mechanisms }
  }

  /** Takes the command away and answers it. */
  async #reply(reply: Buffer | undefined): Promise<undefined> {
    await this.#take()
    await this.#send(reply)
  }

  #take(): Promise<Buffer> {
    this.#taken = true
    return this.#session.client.read(messageFramer)
  }

  async #send(reply: Buffer | undefined): Promise<undefined> {
    if (reply !== undefined && !this.#scan.silent) await this.#session.client.write(reply)
  }

  #helloAnswer(hello: Hello, mechanisms: Buffer | undefined): Buffer {
    return answer(this.#helloDocument(hello.modern, hello.helloOk, mechanisms), this.#scan)
  }

  #helloDocument(modern: boolean, helloOk: boolean, mechanisms: Buffer | undefined): Buffer {
    const { settings, connection } = this.#host
    const service = this.#hello?.loadBalanced === true ? this.#serviceName() : undefined
    return helloDocument({ modern, helloOk, service, connection, mechanisms }, settings)
  }

  /** What is known of the tenant when the client first asks, as it has to stay the same. */
  #serviceName(): string {
    this.#service ??= (this.#route ?? this.#clues.route(undefined))?.key ?? ''
    return this.#service
  }

  /** What users may use as far as is known without asking. */
  #ownMechanisms(): Buffer {
    const document = new Elements(
      new DocumentWriter().strings('saslSupportedMechs', this.#host.settings.mechanisms).end(),
    )
    document.next()
    return document.element
  }

  #documentOf(message: Buffer): Elements {
    return new Elements(message, this.#scan.bodyAt, this.#scan.bodyEnd)
  }
}
