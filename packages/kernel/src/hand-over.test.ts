import { memoryTransport, type Peer, settle } from '@proxy/testkit'
import { expect, test } from 'vitest'
import type { Protocol, Relay, RelayResult, Session } from './contracts.ts'
import { Gateway } from './gateway.ts'
import { filteredRelay } from './relay/filtered.ts'
import { streamRelay } from './relay/stream.ts'

const line = (bytes: Buffer): number => bytes.indexOf(0x0a) + 1

/** A gateway whose protocol does `serve`, with a client that has said hello and what reached the backend. */
async function handedOver(serve: (session: Session) => Promise<void>, relays: readonly Relay[] = []) {
  const transport = memoryTransport()
  const backends: Peer[] = []
  transport.backend('10.0.0.1:7000', (peer) => void backends.push(peer))
  const protocol: Protocol = { api: 1, name: 'line', speaksFirst: 'client', halfClose: true, serve }
  const gateway = new Gateway({
    listeners: [{ address: '127.0.0.1:0', protocol }],
    resolver: () => '10.0.0.1:7000',
    relays,
    guard: false,
    transport,
  })
  const ends: string[] = []
  gateway.hooks.on('session:end', ({ outcome, reason }) => ends.push(`${outcome} ${reason}`))
  await gateway.open()
  const client = await transport.client(gateway.addresses[0]!)
  client.write('hello\n')
  await settle()
  const backend = backends[0]!
  await backend.receives('hello\n')
  return { gateway, client, backend, ends }
}

async function greetAndHandOver(session: Session): Promise<void> {
  await session.client.peek(line)
  session.handOver(await session.route('alpha'))
}

test('a session that was handed over goes on when serve has returned, and ends with its relay, once', async () => {
  let returned = false
  const { gateway, client, backend, ends } = await handedOver(async (session) => {
    await greetAndHandOver(session)
    queueMicrotask(() => {
      returned = true
    })
  })
  expect(returned).toBe(true)
  expect(gateway.sessions()).toMatchObject([{ phase: 'relaying', key: 'alpha' }])
  client.end('last words')
  await backend.receives('hello\nlast words')
  expect(ends).toEqual([])
  backend.end('answer')
  await client.receives('answer')
  await settle()
  expect(ends).toEqual(['relayed client'])
  expect(gateway.stats().sessions).toBe(0)
  await gateway.close()
})

test('it can be killed, and tells so', async () => {
  const { gateway, client, backend, ends } = await handedOver(greetAndHandOver)
  expect(gateway.kill({ key: 'alpha' })).toBe(1)
  await Promise.all([client.ends(), backend.ends()])
  client.end()
  await settle()
  expect(ends).toEqual(['relayed killed'])
  await gateway.close()
})

test('what serve throws behind it ends the relay, and leaves neither end open', async () => {
  const { gateway, client, backend, ends } = await handedOver(async (session) => {
    await greetAndHandOver(session)
    throw new Error('behind')
  })
  await Promise.all([client.ends(), backend.ends()])
  client.end()
  await settle()
  expect(ends).toEqual(['relayed error'])
  await gateway.close()
})

test('a relay that reports nothing is waited for by its promise', async () => {
  const silent: Relay = {
    name: 'silent',
    start(request) {
      const flight = streamRelay().start(request)
      return flight && { done: flight.done, drain: () => flight.drain(), abort: (reason) => flight.abort(reason) }
    },
  }
  const { gateway, client, backend, ends } = await handedOver(greetAndHandOver, [silent])
  client.end()
  backend.end()
  await settle()
  expect(ends).toEqual(['relayed client'])
  await gateway.close()
})

/** Hands over to the relay of `relay` and notes what the listener is told. */
async function listenedTo(told: string[], relay?: Relay) {
  return handedOver(async (session) => {
    await session.client.peek(line)
    const listener = { relayed: ({ reason }: RelayResult) => void told.push(reason) }
    session.handOver(await session.route('alpha'), { relay }, listener)
  })
}

test.each([
  ['the stream relay', undefined],
  ['a filtered one', filteredRelay({})],
  ['one that is waited for by its promise', failing(false)],
])('a listener is told of the end once, before the session ends: %s', async (_name, relay) => {
  const told: string[] = []
  const { gateway, client, backend, ends } = await listenedTo(told, relay)
  const toldBefore: string[][] = []
  gateway.hooks.on('session:end', () => toldBefore.push([...told]))
  expect(told).toEqual([])
  client.end()
  backend.end()
  await settle()
  expect(ends).toEqual(['relayed client'])
  expect([told, toldBefore]).toEqual([['client'], [['client']]])
  await gateway.close()
})

test('a listener is told of a relay that fails', async () => {
  const told: string[] = []
  const { gateway, client, backend, ends } = await listenedTo(told, failing(true))
  const errors: unknown[] = []
  gateway.hooks.on('gateway:error', ({ error }) => errors.push(error))
  client.end()
  backend.end()
  await settle()
  expect(told).toEqual(['error'])
  expect(ends).toHaveLength(1)
  expect(errors).toHaveLength(1)
  await gateway.close()
})

test('what a listener throws is reported', async () => {
  const thrown = new Error('of the listener')
  const { gateway, client, backend, ends } = await handedOver(async (session) => {
    await session.client.peek(line)
    const relayed = (): never => {
      throw thrown
    }
    session.handOver(await session.route('alpha'), {}, { relayed })
  })
  const errors: unknown[] = []
  gateway.hooks.on('gateway:error', ({ error }) => errors.push(error))
  client.end()
  backend.end()
  await settle()
  expect(ends).toEqual(['relayed client'])
  expect(errors).toEqual([thrown])
  await gateway.close()
})

/** A relay that knows no `report`, and fails at its end if it has to. */
function failing(fails: boolean): Relay {
  return {
    name: 'promised',
    start(request) {
      const flight = streamRelay().start(request)
      const judge = (result: RelayResult): RelayResult => {
        if (fails) throw new Error('of the relay')
        return result
      }
      return (
        flight && {
          done: flight.done.then(judge),
          drain: () => flight.drain(),
          abort: (reason) => flight.abort(reason),
        }
      )
    },
  }
}
