import {
  type BackendTlsProvider,
  Gateway,
  type HookMap,
  type ListenerOptions,
  ResolveError,
  type Resolution,
  type RouteRequest,
} from '@proxy/kernel'
import {
  type FakeClock,
  fakeClock,
  memoryTransport,
  type MemoryTransport,
  type Peer,
  settle,
  until,
} from '@proxy/testkit'
import type { SmtpOptions } from '../options.ts'
import { smtp } from '../smtp.ts'

export interface StageOptions extends SmtpOptions {
  readonly listener?: Partial<ListenerOptions>
  readonly resolution?: Partial<Exclude<Resolution, string>>
  readonly backendTls?: BackendTlsProvider
  /** Other names of `alpha`. */
  readonly known?: readonly string[]
}

export const backendHello =
  '250-mx.inside\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-AUTH PLAIN EXTERNAL\r\n250-XCLIENT ADDR HELO\r\n250 DSN\r\n'

/** A backend's end of a connection, as a test plays it. */
export class BackendPeer {
  readonly peer: Peer
  #heard = 0

  constructor(peer: Peer) {
    this.peer = peer
  }

  /** Waits for exactly these bytes, and answers. */
  async hears(command: string, reply = ''): Promise<void> {
    await this.#hear(command.length, command)
    const text = this.peer.received.subarray(this.#heard, this.#heard + command.length).toString('latin1')
    if (text !== command) throw new Error(`heard ${JSON.stringify(text)}, not ${JSON.stringify(command)}`)
    this.#heard += command.length
    if (reply !== '') this.peer.write(reply)
  }

  async #hear(length: number, what: string): Promise<void> {
    const rest = (): string => JSON.stringify(this.peer.received.subarray(this.#heard).toString('latin1'))
    const over = (): boolean => this.peer.ended || this.peer.closed
    await until(
      () => this.peer.receivedBytes >= this.#heard + length || over(),
      () => `${JSON.stringify(what)} at the backend; there is ${rest()}`,
    )
  }

  /** Greets and answers EHLO. */
  async opens(hello = 'EHLO alpha\r\n', reply: string = backendHello): Promise<void> {
    this.peer.write('220 mx.inside\r\n')
    await this.hears(hello, reply)
  }

  get unheard(): string {
    return this.peer.received.subarray(this.#heard).toString('latin1')
  }
}

/** A client, as a test plays it. */
export class ClientPeer {
  readonly peer: Peer
  #heard = 0

  constructor(peer: Peer) {
    this.peer = peer
  }

  /** Sends, and waits for exactly this reply. */
  async says(command: string, reply: string): Promise<void> {
    this.peer.write(command)
    await this.hears(reply)
  }

  async hears(reply: string): Promise<void> {
    const rest = (): string => this.peer.received.subarray(this.#heard).toString('latin1')
    await until(
      () => rest().length >= reply.length || this.peer.ended || this.peer.closed,
      () => `${JSON.stringify(reply)} at the client; there is ${JSON.stringify(rest())}`,
    )
    const text = rest().slice(0, reply.length)
    if (text !== reply) throw new Error(`read ${JSON.stringify(rest())}, not ${JSON.stringify(reply)}`)
    this.#heard += reply.length
  }

  /** Everything up to the end, which must come. */
  async ends(reply: string): Promise<void> {
    await this.peer.ends()
    const text = this.peer.received.subarray(this.#heard).toString('latin1')
    if (text !== reply) throw new Error(`read ${JSON.stringify(text)}, not ${JSON.stringify(reply)}`)
    this.peer.end()
  }
}

/** A gateway in memory: the tenants `alpha` and `beta`, and everybody else unknown. */
export class SmtpStage implements AsyncDisposable {
  readonly clock: FakeClock = fakeClock()
  readonly transport: MemoryTransport = memoryTransport({ clock: this.clock })
  readonly requests: RouteRequest[] = []
  readonly ends: HookMap['session:end'][] = []
  readonly faults: unknown[] = []
  readonly gateway: Gateway
  readonly #backends: Readonly<Record<string, BackendPeer[]>> = { alpha: [], beta: [] }
  readonly #taken: Record<string, number> = {}
  readonly #options: StageOptions
  /** What comes before the resolver's answer. */
  beforeAnswer: ((key: string) => Promise<unknown> | undefined) | undefined = undefined

  constructor(options: StageOptions = {}) {
    const { listener, resolution: _resolution, known: _known, backendTls, ...rest } = options
    this.#options = options
    this.gateway = new Gateway({
      listeners: [{ address: '127.0.0.1:0', protocol: smtp({ hostname: 'gw', ...rest }), ...listener }],
      resolver: async (request) => {
        this.requests.push(request)
        await this.beforeAnswer?.(request.key)
        return this.#resolve(request.key)
      },
      guard: false,
      transport: this.transport,
      clock: this.clock,
      backendTls,
    })
    this.gateway.hooks.on('session:end', (end) => this.ends.push(end))
    this.gateway.hooks.on('gateway:error', ({ error }) => this.faults.push(error))
    for (const [i, [, peers]] of Object.entries(this.#backends).entries()) {
      this.transport.backend(`10.0.0.${i + 1}:25`, (peer) => void peers.push(new BackendPeer(peer)))
    }
  }

  static async open(options: StageOptions = {}): Promise<SmtpStage> {
    const stage = new SmtpStage(options)
    await stage.gateway.open()
    return stage
  }

  #resolve(key: string): Resolution {
    const index = this.#options.known?.includes(key) === true ? 0 : Object.keys(this.#backends).indexOf(key)
    if (index < 0) throw new ResolveError('NOT_FOUND')
    return { endpoint: `10.0.0.${index + 1}:25`, ...this.#options.resolution }
  }

  /** A client that has not been greeted. */
  async connect(): Promise<ClientPeer> {
    return new ClientPeer(await this.transport.client(this.gateway.addresses[0]!))
  }

  async greeted(kind = 'ESMTP'): Promise<ClientPeer> {
    const client = await this.connect()
    await client.hears(`220 gw ${kind}\r\n`)
    return client
  }

  /** The next connection to a tenant's backend. */
  async backend(name: 'alpha' | 'beta' = 'alpha'): Promise<BackendPeer> {
    const index = this.#taken[name] ?? 0
    const peers = this.#backends[name]!
    await until(() => peers.length > index, `connection ${index} to ${name}`)
    this.#taken[name] = index + 1
    return peers[index]!
  }

  /** The backends' ends of all connections that were not dismissed. */
  present(): BackendPeer[] {
    return Object.values(this.#backends).flat()
  }

  /** Forgets about the connections so far. */
  dismiss(): void {
    for (const peers of Object.values(this.#backends)) peers.length = 0
  }

  connections(name: 'alpha' | 'beta'): number {
    return this.#backends[name]!.length
  }

  /** Client and backend behind EHLO. */
  async established(
    reply = '250-gw\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 DSN\r\n',
  ): Promise<[ClientPeer, BackendPeer]> {
    const client = await this.greeted()
    client.peer.write('EHLO alpha\r\n')
    const backend = await this.backend()
    await backend.opens()
    await client.hears(reply)
    return [client, backend]
  }

  /** Lets time pass in small steps. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 500) {
      this.clock.advance(Math.min(left, 500))
      await settle(4)
    }
  }

  async end(): Promise<HookMap['session:end']> {
    await until(() => this.ends.length > 0, 'session:end')
    return this.ends[0]!
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.gateway.close()
    await this.pass(3_000)
    await closed
    for (const peers of Object.values(this.#backends)) for (const { peer } of peers) peer.destroy()
    await this.pass(2_000)
    if (this.faults.length > 0) throw new AggregateError(this.faults, 'the gateway reported errors')
    if (this.clock.pending > 0) throw new Error('timers were left')
  }
}
