import type { Socket } from 'node:net'
import { SMTPServer, type SMTPServerDataStream, type SMTPServerOptions, type SMTPServerSession } from 'smtp-server'
import type { Leaf } from './certificates.ts'
import { findFreePort } from './ports.ts'

export interface SmtpUser {
  readonly name: string
  readonly password: string
}

/** A refusal in place of the 250. The text begins with an enhanced status code where one is wanted. */
export interface SmtpFailure {
  readonly code: number
  readonly text: string
}

/** A message as it was taken, or would have been had nothing refused it. */
export interface SinkMessage {
  /** Name in the client's EHLO, HELO or LHLO. */
  readonly hello: string
  readonly from: string
  readonly to: readonly string[]
  /** Every byte between DATA and the final dot, line ends as they came, dots unstuffed. */
  readonly data: Buffer
  readonly session: SMTPServerSession
}

export interface SmtpSinkOptions {
  /** Its host name. Default `sink.test`. */
  readonly name?: string | undefined
  readonly lmtp?: boolean | undefined
  /** Offer STARTTLS with this certificate. Default: no TLS. */
  readonly tls?: Leaf | undefined
  /** TLS from the first byte; needs `tls`. Default false. */
  readonly implicitTls?: boolean | undefined
  /** AUTH PLAIN and LOGIN are offered, with TLS and without, and demanded. Default: no AUTH. */
  readonly users?: readonly SmtpUser[] | undefined
  /** Asked for each MAIL FROM. */
  readonly onSender?: ((address: string) => SmtpFailure | undefined) | undefined
  /** Asked for each RCPT TO. */
  readonly onRecipient?: ((address: string) => SmtpFailure | undefined) | undefined
  /** Asked for each message, before the answer to it; with LMTP, once for each recipient. */
  readonly onMessage?: (
    message: SinkMessage,
    recipient: string,
  ) => SmtpFailure | undefined | Promise<SmtpFailure | undefined>
  /** Options of `smtp-server`, over those that follow from the ones above. */
  readonly server?: SMTPServerOptions | undefined
  /** Default: a free one. It stays the same over restarts. */
  readonly port?: number | undefined
  /** False: the port is closed until {@link SmtpSink.start}. Default true. */
  readonly start?: boolean | undefined
}

type Answered = (error: Error | null, message?: string | (Error | string)[]) => void

/** An SMTP or LMTP server, `smtp-server` of npm, that keeps what it is sent. */
export class SmtpSink {
  readonly host = '127.0.0.1'
  readonly port: number
  /** The messages that were answered with 250, by it or (LMTP) for at least one recipient. */
  readonly messages: SinkMessage[] = []
  /** Connections so far. */
  accepted = 0
  /** What clients did wrong, and connections that broke off. */
  readonly errors: Error[] = []
  readonly #options: SmtpSinkOptions
  readonly #sockets: Set<Socket> = new Set()
  #server: SMTPServer | undefined

  /** Use {@link smtpSink}. */
  constructor(options: SmtpSinkOptions, port: number) {
    this.#options = options
    this.port = port
  }

  /** `host:port`, as a resolver answers it. */
  get endpoint(): string {
    return `${this.host}:${this.port}`
  }

  get running(): boolean {
    return this.#server !== undefined
  }

  /** Open connections. */
  get connections(): number {
    return this.#sockets.size
  }

  /** Listens unless it does; settles when it takes connections. */
  async start(): Promise<void> {
    if (this.#server !== undefined) return
    const server = new SMTPServer(this.#settings())
    server.on('error', (error: Error) => this.errors.push(error))
    const listener = server.server
    listener.on('connection', (socket: Socket) => this.#track(socket))
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject)
      server.listen(this.port, this.host, resolve)
    })
  }

  /** Stops listening and resets what is open, as when the process dies; what was collected stays. */
  async kill(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    const closed = new Promise<void>((resolve) => server.close(resolve))
    for (const socket of this.#sockets) socket.resetAndDestroy()
    await closed
  }

  async stop(): Promise<void> {
    await this.kill()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #track(socket: Socket): void {
    this.accepted++
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  #settings(): SMTPServerOptions {
    const { name, lmtp, tls, implicitTls, users, onSender, onRecipient, server } = this.#options
    return {
      name: name ?? 'sink.test',
      lmtp: lmtp === true,
      secure: implicitTls === true,
      logger: false,
      disableReverseLookup: true,
      allowInsecureAuth: true,
      disabledCommands: [...(tls === undefined ? ['STARTTLS'] : []), ...(users === undefined ? ['AUTH'] : [])],
      ...(tls === undefined ? {} : { cert: tls.cert, key: tls.key }),
      onAuth: (auth, _session, done) => {
        const known = users?.some((user) => user.name === auth.username && user.password === auth.password)
        if (known === true) done(null, { user: auth.username })
        else done(failureOf({ code: 535, text: '5.7.8 sink.test knows no such user' }))
      },
      onMailFrom: (address, _session, done) => done(failureOf(onSender?.(address.address))),
      onRcptTo: (address, _session, done) => done(failureOf(onRecipient?.(address.address))),
      onData: (stream, session, done) => void this.#answer(stream, session, done),
      ...server,
    }
  }

  async #answer(stream: SMTPServerDataStream, session: SMTPServerSession, done: Answered): Promise<void> {
    try {
      done(null, await this.#take(stream, session))
    } catch (error) {
      done(error as Error)
    }
  }

  async #take(stream: SMTPServerDataStream, session: SMTPServerSession): Promise<string | (Error | string)[]> {
    const { envelope } = session
    const to = envelope.rcptTo.map((recipient) => recipient.address)
    const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address
    // The session is emptied for the next message.
    const kept = { ...session, envelope: { ...envelope } }
    const message = { hello: session.hostNameAppearsAs, from, to, data: await bytesOf(stream), session: kept }
    const asked = this.#options.lmtp === true ? to : [to[0]!]
    const failures: (Error | null)[] = []
    for (const recipient of asked) failures.push(failureOf(await this.#options.onMessage?.(message, recipient)))
    if (failures.includes(null)) this.messages.push(message)
    if (this.#options.lmtp === true) return failures.map((failure, at) => failure ?? `2.1.5 <${to[at]}> took it`)
    if (failures[0] instanceof Error) throw failures[0]
    return `2.0.0 taken as ${this.messages.length}`
  }
}

/** Starts a sink on a loopback port. */
export async function smtpSink(options: SmtpSinkOptions = {}): Promise<SmtpSink> {
  const sink = new SmtpSink(options, options.port ?? (await findFreePort()))
  if (options.start !== false) await sink.start()
  return sink
}

function failureOf(failure: SmtpFailure | undefined): Error | null {
  if (failure === undefined) return null
  return Object.assign(new Error(failure.text), { responseCode: failure.code })
}

async function bytesOf(stream: SMTPServerDataStream): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(part as Buffer)
  return Buffer.concat(parts)
}
