import assert from 'node:assert/strict'
import {
  type Address,
  errorCodes,
  Gateway,
  type GatewayError,
  Hooks,
  type HookMap,
  type Layer,
  type ListenerLimits,
  type ListenerTls,
  type Protocol,
  ResolveError,
  type Resolution,
  type RouteRequest,
} from '@proxy/kernel'
import { show, toBuffer } from '../bytes.ts'
import { type FakeClock, fakeClock } from '../clock.ts'
import type { MemoryLink, Splitter } from '../memory-link.ts'
import { type MemoryBackend, type MemoryTransport, memoryTransport } from '../memory-transport.ts'
import type { Peer } from '../peer.ts'
import { settle, turn, until } from '../waiting.ts'
import type { ProtocolFixture, ProtocolSubject } from './subject.ts'

export const handshakeTimeoutMs = 10_000
export const maxHandshakeBytes = 65_536

export interface StageOptions {
  readonly layers?: readonly Layer[] | undefined
  readonly limits?: ListenerLimits | undefined
  readonly tls?: ListenerTls | undefined
  /** Replaces the answer of the resolver. */
  readonly resolve?: ((request: RouteRequest, signal: AbortSignal) => Resolution | Promise<Resolution>) | undefined
}

/** A session as far as its fixture takes it. */
export interface Established {
  readonly client: Peer
  readonly backend: Peer
}

type End = HookMap['session:end']

/** A real gateway with one listener, on a network in memory and a clock that stands still. */
export class Stage {
  readonly clock: FakeClock = fakeClock()
  readonly transport: MemoryTransport
  readonly gateway: Gateway
  readonly requests: RouteRequest[] = []
  readonly ends: End[] = []
  readonly clients: Peer[] = []
  readonly backends: readonly MemoryBackend[]
  readonly #fixtures: readonly ProtocolFixture[]
  readonly #faults: unknown[] = []
  #opened = 0

  constructor(subject: ProtocolSubject, protocol: Protocol, options: StageOptions) {
    this.#fixtures = subject.secure === undefined ? subject.fixtures : [...subject.fixtures, subject.secure.fixture]
    this.transport = memoryTransport({ clock: this.clock })
    const hooks = new Hooks()
    hooks.on('session:open', () => void this.#opened++)
    hooks.on('session:end', (end) => this.ends.push(end))
    hooks.on('gateway:error', ({ error }) => this.#faults.push(error))
    this.backends = this.#fixtures.map((fixture, index) =>
      this.transport.backend(endpointOf(index), (peer) => void fixture.serve?.(peer)),
    )
    const limits = { handshakeTimeoutMs, maxHandshakeBytes, ...options.limits }
    this.gateway = new Gateway({
      listeners: [{ address: { host: '127.0.0.1', port: 0 }, protocol, limits, tls: options.tls }],
      resolver: (request, signal) => {
        this.requests.push(request)
        return (options.resolve ?? this.resolve)(request, signal)
      },
      layers: options.layers ?? [],
      guard: false,
      transport: this.transport,
      clock: this.clock,
      hooks,
    })
  }

  /** The endpoint of the fixture with that key. */
  readonly resolve = ({ key }: RouteRequest): Resolution => {
    const index = this.#indexOf(key)
    if (index < 0) throw new ResolveError('NOT_FOUND')
    return endpointOf(index)
  }

  get address(): Address {
    return this.gateway.addresses[0] as Address
  }

  async connect(splitter?: Splitter): Promise<Peer> {
    const client = await this.transport.client(this.address, splitter === undefined ? {} : { splitter })
    this.clients.push(client)
    return client
  }

  /** Plays a fixture to where its session is established, and demands that it was routed as it says. */
  async establish(fixture: ProtocolFixture, splitter?: Splitter): Promise<Established> {
    const client = await this.connect(splitter)
    return this.finish(fixture, client, () => speak(fixture, client))
  }

  /** As `establish`, for a client that has begun already. */
  async finish(fixture: ProtocolFixture, client: Peer, rest: () => Promise<void>): Promise<Established> {
    const backends = this.backends[this.#indexOf(fixture.key)] as MemoryBackend
    const [earlier, asked] = [backends.connections.length, this.requests.length]
    await rest()
    await until(
      () => backends.connections.length > earlier || client.ended || client.closed,
      () => `${fixture.name}: a connection to the backend of "${fixture.key}"; ${this.#story(asked)}`,
    )
    const backend = backends.connections[earlier]
    assert.ok(backend !== undefined, `${fixture.name}: not routed to "${fixture.key}": ${this.#story(asked)}`)
    this.#judgeRequest(fixture, asked)
    await exactly(fixture, backend)
    if (fixture.established !== undefined) await client.receives(fixture.established)
    return { client, backend }
  }

  /** Lets time pass in steps until `condition` holds. */
  async pass(ms: number, condition: () => boolean = () => false): Promise<void> {
    for (let left = ms; left > 0 && !condition(); left -= 250) {
      this.clock.advance(Math.min(left, 250))
      await settle(6)
    }
  }

  /** Lets time pass until a promise settles. */
  async drive(promise: Promise<unknown>): Promise<void> {
    let settled = false
    const mark = (): void => void (settled = true)
    promise.then(mark, mark)
    await this.pass(120_000, () => settled)
    assert.ok(settled, 'two minutes passed and it has not ended')
    await promise
  }

  /** The end of the session that ends next, or has ended as the `index`th. */
  async end(index: number): Promise<End> {
    await until(() => this.ends.length > index, 'session:end')
    return this.ends[index] as End
  }

  /** Ends everything. Nothing may be left, and every session must have ended exactly once. */
  async close(): Promise<void> {
    for (const peer of [...this.clients, ...this.#backendPeers()]) peer.destroy()
    await this.drive(this.gateway.close())
    await this.pass(5_000, () => this.transport.openLinks === 0)
    // Periodic sweeps notice at their next turn that there is nothing left to sweep.
    await this.pass(1_000)
  }

  judge(): void {
    assert.deepEqual(this.#faults, [], 'the protocol failed in a way that is no GatewayError')
    assert.equal(this.ends.length, this.#opened, 'every session must end exactly once')
    assert.equal(new Set(this.ends.map((end) => end.session)).size, this.ends.length, 'a session ended twice')
    assert.equal(this.transport.openLinks, 0, 'connections were left open')
    assert.equal(this.transport.bindings, this.backends.length, 'the listener was left open')
    assert.equal(this.clock.pending, 0, 'timers were left running')
  }

  #indexOf(key: string): number {
    return this.#fixtures.findIndex((fixture) => fixture.key === key)
  }

  #judgeRequest(fixture: ProtocolFixture, asked: number): void {
    const request = this.requests.slice(asked).find(({ key }) => key === fixture.key)
    assert.ok(request !== undefined, `${fixture.name}: the resolver was not asked for "${fixture.key}"`)
    for (const [name, value] of Object.entries(fixture.attributes ?? {})) {
      assert.equal(request.attributes[name], value, `${fixture.name}: attribute ${name}`)
    }
  }

  #backendPeers(): Peer[] {
    return this.backends.flatMap((backend) => backend.connections)
  }

  #story(asked: number): string {
    const keys = this.requests.slice(asked).map(({ key }) => JSON.stringify(key))
    const errors = this.ends.map(({ error }) => describe(error)).filter((text) => text !== '')
    return `asked for ${keys.join(', ') || 'nothing'}; ${errors.at(-1) ?? 'no session has failed'}`
  }
}

function describe(error: GatewayError | undefined): string {
  if (error === undefined) return ''
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : ''
  return `the session failed with ${error.code}${cause}`
}

export const endpointOf = (index: number): string => `10.77.${index}.1:7777`

/** The client's part of a fixture. */
export async function speak(fixture: ProtocolFixture, client: Peer): Promise<void> {
  if (typeof fixture.client === 'function') await fixture.client(client)
  else client.write(fixture.client)
}

async function exactly(fixture: ProtocolFixture, backend: Peer): Promise<void> {
  const expected = toBuffer(fixture.backend)
  await until(
    () => backend.receivedBytes >= expected.length || backend.ended || backend.closed,
    () => `${fixture.name}: ${show(expected)} at the backend, which has ${show(backend.received)}`,
  )
  await settle(4)
  const same = backend.received.equals(expected)
  assert.ok(same, `${fixture.name}: the backend got ${show(backend.received)} instead of ${show(expected)}`)
}

/** Bytes of the client that the gateway has taken in. */
export const takenIn = (client: Peer): number => (client.link as MemoryLink).delivered

/** Runs `body` on a stage of its own, which is then taken down and judged. */
export async function staged(
  subject: ProtocolSubject,
  options: StageOptions,
  body: (stage: Stage) => Promise<void>,
): Promise<void> {
  const stage = new Stage(subject, subject.protocol(), options)
  await stage.gateway.open()
  try {
    await body(stage)
  } catch (error) {
    await stage.close().catch(() => undefined)
    throw error
  }
  await stage.close()
  await turn()
  stage.judge()
}

/** What no client may ever read: they stand in the causes of the errors that the checks raise. */
const secrets: readonly string[] = ['10.77.', '10.9.8.7', 'inside.example', 'secret-cause', 'node:internal', '/src/']

export const secretCause = (): Error => new Error('secret-cause: connect 10.9.8.7:6543 db.inside.example')

export function demandNoSecrets(bytes: Buffer, what: string): void {
  const text = bytes.toString('latin1')
  const found = secrets.filter((secret) => text.includes(secret))
  assert.deepEqual(found, [], `${what} shows what must stay inside: ${show(bytes)}`)
}

export const isCoded = (error: GatewayError): boolean => error.code in errorCodes && error.code !== 'PROXY_INTERNAL'
