import { fakeClock, memoryTransport, type Peer, secureAsClient, settle, testTls } from '@proxy/testkit'
import { expect, test } from 'vitest'
import type { Link, LinkHandler, Protocol, Relay, RelayFlight, RelayRequest, Session } from './contracts.ts'
import { Gateway } from './gateway.ts'
import { streamRelay } from './relay/stream.ts'

const line = (bytes: Buffer): number => bytes.indexOf(0x0a) + 1

/** Relays as the gateway would, in a flight that tells when it was asked to drain or abort. */
function tapped(calls: string[]): Relay {
  return {
    name: 'tapped',
    start(request: RelayRequest): RelayFlight | undefined {
      const flight = streamRelay().start(request)
      if (flight === undefined) return undefined
      calls.push('start')
      return {
        done: flight.done,
        drain() {
          calls.push('drain')
          flight.drain()
        },
        abort(reason) {
          calls.push(`abort ${reason}`)
          flight.abort(reason)
        },
      }
    },
  }
}

function gatewayOf(serve: (session: Session) => Promise<void>, options: { tls?: boolean } = {}) {
  const clock = fakeClock()
  const transport = memoryTransport({ clock })
  const backends: Peer[] = []
  transport.backend('10.0.0.1:7000', (peer) => void backends.push(peer))
  const protocol: Protocol = { api: 1, name: 'line', speaksFirst: 'client', serve }
  const gateway = new Gateway({
    listeners: [{ address: '127.0.0.1:0', protocol, tls: options.tls === true ? testTls() : undefined }],
    resolver: () => '10.0.0.1:7000',
    relays: [{ name: 'never', start: () => expect.unreachable('the relay of the session goes first') }],
    guard: false,
    transport,
    clock,
  })
  const reasons: string[] = []
  gateway.hooks.on('session:end', ({ outcome, reason }) => reasons.push(`${outcome} ${reason}`))
  return { gateway, clock, transport, backends, reasons }
}

test('a session relays by the relay that it names: its end, its drain and its signal', async () => {
  const calls: string[] = []
  let signal: AbortSignal | undefined
  const { gateway, clock, transport, backends, reasons } = gatewayOf(async (session) => {
    await session.client.peek(line)
    signal = session.signal
    await session.relay(await session.route('alpha'), { relay: tapped(calls) })
  })
  await gateway.open()
  const client = await transport.client(gateway.addresses[0]!)
  client.write('hello\n')
  await settle()
  await backends[0]!.receives('hello\n')
  expect(signal?.aborted).toBe(false)
  const drained = gateway.drain({ deadlineMs: 2_000 })
  await settle()
  for (let step = 0; step < 16; step++) {
    clock.advance(250)
    await settle()
  }
  await drained
  expect(calls.slice(0, 2)).toEqual(['start', 'drain'])
  expect(calls).toContain('abort drain')
  expect(reasons).toEqual(['relayed drain'])
  expect(signal?.aborted).toBe(true)
})

test('secure() after detach() gives the link that carries the decrypted bytes', async () => {
  const { gateway, transport, reasons } = gatewayOf(
    async (session) => {
      const { client } = session
      await client.read(line)
      const plain = client.detach()
      expect(plain.unread.length).toBe(0)
      await client.secure('go\n')
      const { link, unread } = client.detach()
      expect(link).not.toBe(plain.link)
      await new Promise<void>((resolve) => {
        const handler: LinkHandler = {
          onData: (from: Link, bytes) => void from.write(Buffer.from(bytes.toString().toUpperCase())),
          onDrain: () => undefined,
          onEnd: () => resolve(),
          onClose: () => resolve(),
        }
        link.attach(handler)
        if (unread.length > 0) handler.onData(link, unread)
        link.resume()
      })
    },
    { tls: true },
  )
  await gateway.open()
  const plain = await transport.client(gateway.addresses[0]!)
  plain.write('starttls\n')
  await plain.receives('go\n')
  const client = await secureAsClient(plain, 'alpha.example')
  client.write('hello\n')
  await client.receives('HELLO\n')
  client.end()
  await settle()
  expect(reasons).toEqual(['answered done'])
  await gateway.close()
})
