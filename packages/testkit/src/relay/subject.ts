import assert from 'node:assert/strict'
import type { Binding, Link, Relay, RelayFlight, RelayOptions, RelayResult, Transport } from '@proxy/kernel'
import { type FakeClock, fakeClock } from '../clock.ts'
import { memoryTransport } from '../memory-transport.ts'
import { Peer } from '../peer.ts'
import { until, within } from '../waiting.ts'

export interface RelaySubject {
  /** A relay that takes the links of `transport`. */
  relay(): Relay
  /** The transport whose links are relayed. Default: the one in memory. */
  transport?(): Transport
}

/** A relay under way between a client and a backend, both played by the test. */
export interface Scene {
  readonly client: Peer
  readonly backend: Peer
  readonly clock: FakeClock
  readonly flight: RelayFlight
  /** The relay's own two ends. */
  readonly links: readonly [Link, Link]
  /** The result, once the relay has ended. */
  result(): Promise<RelayResult>
}

export interface Opening {
  readonly options?: RelayOptions | undefined
  readonly clientUnread?: string | undefined
  readonly backendUnread?: string | undefined
  /** Runs before the relay starts. */
  before?(client: Peer, backend: Peer, links: readonly [Link, Link]): Promise<void>
}

interface Connection {
  readonly peer: Peer
  readonly link: Link
}

const never = new AbortController().signal

/** Longer than any timer of a relay that has nothing left to do. */
const afterwardsMs = 60_000

/** Starts a relay, runs `body`, ends what is left, and demands that nothing stays behind. */
export async function relaying(
  subject: RelaySubject,
  opening: Opening,
  body: (scene: Scene) => Promise<void>,
): Promise<void> {
  const transport = subject.transport?.() ?? memoryTransport()
  const bindings: Binding[] = []
  const clock = fakeClock()
  const [front, back] = [await connection(transport, bindings, true), await connection(transport, bindings, false)]
  try {
    await opening.before?.(front.peer, back.peer, [front.link, back.link])
    const flight = start(subject, opening, front.link, back.link, clock)
    const links = [front.link, back.link] as const
    const result = (): Promise<RelayResult> => within(flight.done, 'the end of the relay')
    await body({ client: front.peer, backend: back.peer, clock, flight, links, result })
    front.peer.destroy()
    back.peer.destroy()
    await ended(result, links, clock)
  } finally {
    for (const end of [front, back]) end.peer.destroy()
    for (const end of [front, back]) end.link.destroy()
    await Promise.all(bindings.map((binding) => binding.close()))
    await transport.close?.()
  }
}

function start(subject: RelaySubject, opening: Opening, client: Link, backend: Link, clock: FakeClock): RelayFlight {
  const flight = subject.relay().start({
    client,
    backend,
    clientUnread: Buffer.from(opening.clientUnread ?? '', 'latin1'),
    backendUnread: Buffer.from(opening.backendUnread ?? '', 'latin1'),
    options: opening.options ?? {},
    clock,
  })
  assert.ok(flight !== undefined, 'the relay does not take the links of this transport')
  return flight
}

async function ended(result: () => Promise<RelayResult>, links: readonly Link[], clock: FakeClock): Promise<void> {
  await result()
  await until(() => links.every((link) => link.closed), 'the relay to leave both links closed')
  clock.advance(afterwardsMs)
  assert.equal(clock.pending, 0, 'the relay left timers behind')
}

/** `accepted`: the relay's end is the accepted one, as with clients; else it is the dialled one, as with backends. */
async function connection(transport: Transport, bindings: Binding[], accepted: boolean): Promise<Connection> {
  const links: Link[] = []
  const acceptor = { onLink: (link: Link) => void links.push(link), onError: () => undefined }
  const binding = await transport.listen({ host: '127.0.0.1', port: 0 }, acceptor)
  bindings.push(binding)
  const dialled = await transport.connect({ ...binding.address, timeoutMs: 4_000 }, never)
  await until(() => links.length === 1, 'the connection to be accepted')
  const far = links[0] as Link
  return accepted ? { peer: new Peer(dialled), link: far } : { peer: new Peer(far), link: dialled }
}
