import { fakeClock, memoryTransport, settle } from '@proxy/testkit'
import { expect, test } from 'vitest'
import type { Layer, Protocol, Resolver } from './contracts.ts'
import { Gateway } from './gateway.ts'

const line = (bytes: Buffer): number => bytes.indexOf(0x0a) + 1

const broken = (what: string) => (): never => {
  throw new TypeError(`${what} is broken`)
}

interface Faults {
  readonly protocol?: Partial<Protocol>
  readonly resolver?: Partial<Resolver>
  readonly layer?: Partial<Layer>
}

/** Plays one session through a gateway whose plugins throw, drains it, and returns what was reported. */
async function session(faults: Faults): Promise<{ reasons: string[]; faults: string[]; answer: string }> {
  const clock = fakeClock()
  const transport = memoryTransport({ clock })
  transport.backend('10.0.0.1:7000', (peer) => peer.end('answer'))
  const protocol: Protocol = {
    api: 1,
    name: 'line',
    speaksFirst: 'client',
    serve: async (served) => {
      await served.client.peek(line)
      await served.relay(await served.route('alpha'))
    },
    ...faults.protocol,
  }
  const gateway = new Gateway({
    listeners: [{ address: '127.0.0.1:0', protocol }],
    resolver: { name: 'one', resolve: () => '10.0.0.1:7000', ...faults.resolver },
    layers: [{ name: 'faulty', ...faults.layer }],
    guard: false,
    transport,
    clock,
  })
  const [reasons, reported]: [string[], string[]] = [[], []]
  gateway.hooks.on('session:end', ({ reason }) => reasons.push(reason))
  gateway.hooks.on('gateway:error', ({ error }) => reported.push((error as Error).message))
  await gateway.open()
  const waiting = await transport.client(gateway.addresses[0]!)
  const client = await transport.client(gateway.addresses[0]!)
  client.write('hello\n')
  await client.ends()
  client.end()
  await settle()
  const drained = gateway.drain({ deadlineMs: 1_000 })
  await settle()
  for (let step = 0; step < 12; step++) {
    clock.advance(500)
    await settle()
  }
  await waiting.ends()
  await drained
  expect(gateway.phase).toBe('closed')
  expect(gateway.stats().sessions).toBe(0)
  return { reasons, faults: reported, answer: client.received.toString() }
}

const sound = { reasons: ['backend', 'drain'], answer: 'answer' }

test('plugins as they should be report nothing', async () => {
  expect(await session({})).toEqual({ ...sound, faults: [] })
})

test('a resolver that fails to take note harms no session', async () => {
  const resolver = { track: broken('track'), onConnect: broken('onConnect'), onDisconnect: broken('onDisconnect') }
  const { faults, ...rest } = await session({ resolver })
  expect(rest).toEqual(sound)
  expect(faults).toEqual(['track is broken', 'onConnect is broken', 'onDisconnect is broken'])
})

test('a resolver that fails to close does not keep the gateway open', async () => {
  expect(await session({ resolver: { close: broken('close') } })).toEqual({ ...sound, faults: ['close is broken'] })
  const rejects = async () => Promise.reject(new TypeError('close is broken'))
  expect(await session({ resolver: { close: rejects } })).toEqual({ ...sound, faults: ['close is broken'] })
})

test('a protocol that fails to drain is drained by the deadline', async () => {
  expect(await session({ protocol: { drain: broken('drain') } })).toEqual({ ...sound, faults: ['drain is broken'] })
})

test('a protocol that fails to refuse refuses in silence', async () => {
  expect(await session({ protocol: { refuse: broken('refuse') } })).toEqual({ ...sound, faults: ['refuse is broken'] })
})

test('a disposer that fails keeps none of the others from running', async () => {
  let disposed = 0
  const { faults, ...rest } = await session({
    protocol: { setup: () => broken('the protocol') },
    layer: { setup: () => broken('the layer') },
    resolver: { close: async () => void disposed++ },
  })
  expect(rest).toEqual(sound)
  expect(faults.sort()).toEqual(['the layer is broken', 'the protocol is broken'])
  expect(disposed).toBe(1)
})
