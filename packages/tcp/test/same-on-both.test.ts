import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { Gateway, nodeTransport, type SessionEndEvent, type Transport } from '@proxy/kernel'
import { strictEpoll, whyNoEpoll } from '@proxy/test-servers/transport'
import { settle, until } from '@proxy/testkit'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tcp } from '../src/index.ts'
import { type Act, End, type Seen } from './peers.ts'

interface Step {
  readonly end: 0 | 1
  readonly act: Act
}

/** How it comes to an end when nothing is under way any more. */
type Finale = 'ends' | 'reset' | 'destroyed'

interface Play {
  readonly steps: readonly Step[]
  readonly finale: Finale
  readonly by: 0 | 1
}

interface Story {
  readonly seen: readonly Seen[]
  readonly session: Readonly<Record<string, unknown>>
}

/** A gateway on one transport, in front of a server whose connections are given out. */
class Theatre {
  readonly #server: Server = createServer({ allowHalfOpen: true, pauseOnConnect: true })
  readonly #transport: Transport
  #gateway: Gateway | undefined

  constructor(transport: Transport) {
    this.#transport = transport
  }

  async open(): Promise<void> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening')
    const { port } = this.#server.address() as AddressInfo
    this.#gateway = new Gateway({
      listeners: [{ address: '127.0.0.1:0', protocol: tcp({ key: 'any' }) }],
      resolver: () => `127.0.0.1:${port}`,
      guard: false,
      transport: this.#transport,
    })
    await this.#gateway.open()
  }

  async close(): Promise<void> {
    await this.#gateway?.close()
    this.#server.close()
  }

  async play({ steps, finale, by }: Play): Promise<Story> {
    const gateway = this.#gateway!
    const session = new Promise<SessionEndEvent>((resolve) => {
      const off = gateway.hooks.on('session:end', (event) => {
        off()
        resolve(event)
      })
    })
    const client = connect({ ...gateway.addresses[0]!, allowHalfOpen: true })
    const [backend] = (await once(this.#server, 'connection')) as [Socket]
    const ends = [new End(client), new End(backend)] as const
    await greet(ends)
    let serial = 2
    for (const { end, act } of steps) {
      ends[end].does(act, serial++)
      if (act === 'turn' || act === 'settle') await settle(act === 'turn' ? 1 : 24)
    }
    await finish(ends, finale, ends[by])
    for (const [end, other] of [ends, [...ends].reverse()] as (readonly [End, End])[]) {
      expect(end.heard.equals(other.said), 'what comes is what was sent').toBe(true)
    }
    return { seen: ends.map(({ seen }) => seen), session: told(await session, steps) }
  }
}

/** The relay has begun. */
async function greet([client, backend]: readonly [End, End]): Promise<void> {
  client.does('write', 0)
  backend.does('resume', 0)
  backend.does('write', 1)
  await until(() => backend.hasAllOf(client) && client.hasAllOf(backend), 'the greetings')
}

async function finish(ends: readonly [End, End], finale: Finale, actor: End): Promise<void> {
  for (const end of ends) end.socket.resume()
  await until(() => ends[0].hasAllOf(ends[1]) && ends[1].hasAllOf(ends[0]), 'each end to have what the other has said')
  // Behind its own FIN, a reset is noticed on one transport, and on the other when something is written.
  if (finale === 'reset' && !actor.finished) actor.socket.resetAndDestroy()
  else {
    const other = ends[0] === actor ? ends[1] : ends[0]
    actor.end()
    await until(() => other.hasAllOf(actor), 'the other end to see the first one go')
    if (finale === 'destroyed') actor.socket.destroy()
    other.end()
  }
  await until(() => ends.every(({ socket }) => socket.closed), 'both ends to close')
}

/** Which end was first is told apart only when there was a first one. */
const told = (event: SessionEndEvent, steps: readonly Step[]): Story['session'] => ({
  outcome: event.outcome,
  reason: steps.some(({ act }) => act === 'end') ? 'some end' : event.reason,
  error: event.error?.code,
  bytesFromClient: event.bytesFromClient,
  bytesToClient: event.bytesToClient,
})

const play: fc.Arbitrary<Play> = fc.record({
  steps: fc.array(
    fc.record({
      end: fc.constantFrom(0 as const, 1 as const),
      act: fc.constantFrom<Act>('write', 'write', 'burst', 'pause', 'resume', 'end', 'turn', 'settle'),
    }),
    { maxLength: 30 },
  ),
  finale: fc.constantFrom<Finale>('ends', 'reset', 'destroyed'),
  by: fc.constantFrom(0 as const, 1 as const),
})

const why = whyNoEpoll()

describe.skipIf(why !== undefined)(`a gateway on either transport${why === undefined ? '' : ` (${why})`}`, () => {
  const [node, epoll] = [new Theatre(nodeTransport()), why === undefined ? new Theatre(strictEpoll()) : undefined]

  beforeAll(async () => {
    await node.open()
    await epoll?.open()
  })
  afterAll(async () => {
    await node.close()
    await epoll?.close()
  })

  test('passes the same bytes, ends and resets, and tells of the same session', async () => {
    await fc.assert(
      fc.asyncProperty(play, async (one) => {
        expect(await epoll!.play(one)).toEqual(await node.play(one))
      }),
      { numRuns: Number(process.env['PROXY_TEST_CHAOS_RUNS'] ?? 100) },
    )
  }, 120_000)
})
