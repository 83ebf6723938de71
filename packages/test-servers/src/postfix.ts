import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Leaf } from './certificates.ts'
import { type LoginService, loginService } from './login-service.ts'
import { removeDirectory, temporaryDirectory } from './directories.ts'
import { findFreePort } from './ports.ts'
import {
  commonSettings,
  daemonDirectory,
  localDelivery,
  type PostfixPlaces,
  postfixPlaces,
  type PostfixSettings,
  writeSettings,
} from './postfix-files.ts'
import { type Launched, launch } from './processes.ts'
import type { SmtpUser } from './smtp-sink.ts'

export interface PostfixServerOptions {
  /** Its host name, as in its greeting and its Received headers. Default `backend.test`. */
  readonly name?: string | undefined
  /** Offer STARTTLS with this certificate. Default: no TLS. */
  readonly tls?: Leaf | undefined
  /** TLS from the first byte; needs `tls`. Default false. */
  readonly implicitTls?: boolean | undefined
  /** Take XCLIENT from the loopback. Default true. */
  readonly xclient?: boolean | undefined
  /** Every connection begins with a PROXY protocol header (v1 or v2). Default false. */
  readonly proxyProtocol?: boolean | undefined
  /** AUTH PLAIN and LOGIN are offered, with TLS and without. Default: no AUTH. */
  readonly users?: readonly SmtpUser[] | undefined
  /** Send all mail on to `host:port`, by SMTP. Default: deliver it, whatever its domain. */
  readonly relayTo?: string | undefined
  /** Added to main.cf. */
  readonly settings?: PostfixSettings | undefined
  /** Default: a free one. It stays the same over restarts. */
  readonly port?: number | undefined
  /** False: prepare only; the port is closed until {@link PostfixServer.start}. Default true. */
  readonly start?: boolean | undefined
}

/** One delivery; a message for several recipients is delivered to each. */
export interface DeliveredMail {
  readonly sender: string
  readonly recipient: string
  /** As Postfix keeps it: its own Received header first, lines ended by LF, dots unstuffed. */
  readonly data: Buffer
}

/** A real Postfix on a throw-away loopback port, apart from any other that runs. */
export class PostfixServer {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly #directory: string
  readonly #places: PostfixPlaces
  readonly #opening: string | undefined
  readonly #logins: LoginService | undefined
  #process: Launched | undefined

  /** Use {@link postfixServer}. `opening`: what is sent to be greeted; undefined = it takes a TLS handshake. */
  constructor(directory: string, places: PostfixPlaces, port: number, opening?: string, logins?: LoginService) {
    this.#directory = directory
    this.#places = places
    this.port = port
    this.#opening = opening
    this.#logins = logins
  }

  /** `host:port`, as a resolver answers it. */
  get endpoint(): string {
    return `${this.host}:${this.port}`
  }

  get running(): boolean {
    return this.#process?.running === true
  }

  /** What it logged. */
  get log(): string {
    return existsSync(this.#places.log) ? readFileSync(this.#places.log, 'utf8') : ''
  }

  /** False when everything that was taken is delivered, or sent on. */
  get busy(): boolean {
    // In an order in which no message on its way from one queue to the next is missed.
    return ['deferred', 'incoming', 'active', 'deferred'].some((name) => holdsMail(join(this.#places.queue, name)))
  }

  /** Starts it unless it runs; settles when it has greeted. The queue of an earlier start is taken up. */
  async start(): Promise<void> {
    if (this.running) return
    // Not `postfix start-fg`, which leaves a shell in between: the process that is owned here is the master itself.
    this.#process = launch(join(daemonDirectory(), 'master'), ['-c', this.#places.etc, '-s'])
    while (!(await greets(this.port, this.#opening))) this.#expectRunning()
  }

  /** Stops it in order; the queue stays. */
  async halt(): Promise<void> {
    await this.#process?.stop()
  }

  /** SIGKILL for it and all its processes at once, as when the machine fails; the queue stays. */
  async kill(): Promise<void> {
    if (this.#process === undefined || !this.running) return
    // The master leads its own process group.
    process.kill(-this.#process.pid, 'SIGKILL')
    await this.#process.exited
  }

  /** Settles when everything that was taken is delivered: the deliveries, oldest first. */
  async delivered(): Promise<DeliveredMail[]> {
    while (this.busy) await sleep(10)
    return this.#files().map((file) => mailOf(readFileSync(file)))
  }

  /** How many deliveries there are now. */
  get deliveries(): number {
    return this.#files().length
  }

  /** Takes the deliveries so far away. */
  async clear(): Promise<void> {
    while (this.busy) await sleep(10)
    for (const file of this.#files()) rmSync(file)
  }

  /** Ends it and removes everything. */
  async stop(): Promise<void> {
    await this.kill()
    await this.#logins?.stop()
    removeDirectory(this.#directory)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #expectRunning(): void {
    if (!this.running) throw new Error(`Postfix ended before it listened\n${this.#process?.output}${this.log}`)
  }

  /** Names begin with the time of the delivery: seconds, then microseconds behind an M. */
  #files(): string[] {
    const box = join(this.#places.mail, 'box', 'new')
    const names = readdirSync(join(this.#places.mail)).length === 0 ? [] : readdirSync(box)
    const timeOf = (name: string): number => Number(name.split('.')[0]) * 1e6 + Number(/M(\d+)/.exec(name)?.[1])
    return names.sort((a, b) => timeOf(a) - timeOf(b)).map((name) => join(box, name))
  }
}

/** Prepares and starts a Postfix. Needs `postfix` and to run as root: see `describeNeeding`. */
export async function postfixServer(options: PostfixServerOptions = {}): Promise<PostfixServer> {
  const directory = temporaryDirectory('postfix')
  // Its daemons run under accounts of their own.
  chmodSync(directory, 0o755)
  const places = postfixPlaces(directory)
  const port = options.port ?? (await findFreePort())
  const logins = options.users === undefined ? undefined : await loginService(options.users)
  const settings = { ...settingsOf(options, places), ...loginSettings(logins), ...options.settings }
  writeSettings(places, settings, [`127.0.0.1:${port} inet n - n - - smtpd`])
  const opening = options.proxyProtocol === true ? 'PROXY TCP4 127.0.0.1 127.0.0.1 1 25\r\n' : ''
  const server = new PostfixServer(directory, places, port, options.implicitTls === true ? undefined : opening, logins)
  if (options.start !== false) await server.start()
  return server
}

function settingsOf(options: PostfixServerOptions, places: PostfixPlaces): PostfixSettings {
  return {
    ...commonSettings(places, options.name ?? 'backend.test'),
    ...(options.relayTo === undefined ? localDelivery(places.mail) : { relayhost: relayHost(options.relayTo) }),
    ...(options.tls === undefined ? {} : tlsSettings(options.tls, options.implicitTls === true)),
    ...(options.xclient === false ? {} : { smtpd_authorized_xclient_hosts: '127.0.0.0/8' }),
    ...(options.proxyProtocol === true ? { smtpd_upstream_proxy_protocol: 'haproxy' } : {}),
  }
}

function loginSettings(logins: LoginService | undefined): PostfixSettings {
  if (logins === undefined) return {}
  return { smtpd_sasl_auth_enable: 'yes', smtpd_sasl_type: 'dovecot', smtpd_sasl_path: logins.path }
}

/** Whether a message is there as a whole; one that is not executable was broken off, and stays for days. */
function holdsMail(queue: string): boolean {
  const files = readdirSync(queue, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return files.some(({ parentPath, name }) => {
    const file = statSync(join(parentPath, name), { throwIfNoEntry: false })
    return file !== undefined && (file.mode & 0o100) !== 0
  })
}

/** In brackets: no look-up of MX records. */
const relayHost = (endpoint: string): string => endpoint.replace(/^(.*):(\d+)$/, '[$1]:$2')

function tlsSettings(leaf: Leaf, implicit: boolean): PostfixSettings {
  return {
    smtpd_tls_security_level: 'may',
    smtpd_tls_chain_files: `${leaf.keyFile}, ${leaf.certFile}`,
    smtpd_tls_received_header: 'yes',
    ...(implicit ? { smtpd_tls_wrappermode: 'yes' } : {}),
  }
}

/** Whether the server says 220, or with TLS from the first byte, listens. */
function greets(port: number, opening: string | undefined): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => (opening === undefined ? socket.destroy() : socket.write(opening)))
    let heard = opening === undefined
    socket.once('data', (bytes) => {
      heard = bytes.toString('latin1').startsWith('220 ')
      socket.end('QUIT\r\n').resume()
      if (!heard) reject(new Error(`Postfix greets with ${bytes.toString('latin1')}`))
    })
    socket.on('error', () => (heard = false))
    socket.once('close', () => resolve(heard))
  })
}

const deliveryHeaders = /^Return-Path: <(.*)>\nX-Original-To: .*\nDelivered-To: (.*)\n/

function mailOf(bytes: Buffer): DeliveredMail {
  const match = deliveryHeaders.exec(bytes.toString('latin1', 0, 2_000))
  if (match === null) throw new Error(`not as Postfix delivers: ${bytes.toString('latin1', 0, 200)}`)
  return { sender: utf8(match[1]!), recipient: utf8(match[2]!), data: bytes.subarray(match[0].length) }
}

const utf8 = (latin1: string): string => Buffer.from(latin1, 'latin1').toString('utf8')
