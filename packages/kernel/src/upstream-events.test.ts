import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { transportUnderTest } from '@proxy/test-servers/transport'
import { expect, it, onTestFinished } from 'vitest'
import type { Protocol } from './contracts.ts'
import { GatewayError } from './errors.ts'
import { Gateway } from './gateway.ts'

const line = (bytes: Buffer) => bytes.indexOf(10) + 1

/** Asks its backend for a line, and relays when it is `yes`. */
const asking: Protocol = {
  api: 1,
  name: 'asking',
  speaksFirst: 'client',
  halfClose: true,
  async serve(session) {
    const key = (await session.client.read(line)).toString().trim()
    const upstream = await session.route(key)
    const answer = (await upstream.read(line)).toString().trim()
    if (answer !== 'yes') throw new GatewayError(answer === 'no' ? 'PROXY_RESOLVE_FORBIDDEN' : 'PROXY_BACKEND_PROTOCOL')
    await session.relay(upstream)
  },
  refuse: (error) => `${error.code}\n`,
}

/** What the hooks said of one session with a backend that behaves so. */
async function heard(serve: (socket: Socket) => unknown): Promise<string[]> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    onTestFinished(() => void socket.destroy())
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const gateway = new Gateway({
    listeners: [{ address: '127.0.0.1:0', protocol: asking }],
    resolver: () => `127.0.0.1:${(server.address() as AddressInfo).port}`,
    guard: false,
    transport: transportUnderTest(),
  })
  await gateway.open()
  onTestFinished(async () => {
    server.close()
    await gateway.close()
  })
  const events: string[] = []
  gateway.hooks.on('upstream:fault', ({ key, error }) => events.push(`${key} fault ${error.code}`))
  gateway.hooks.on('upstream:answer', ({ key }) => events.push(`${key} answer`))
  const ended = new Promise((resolve) => gateway.hooks.on('session:end', resolve))
  const client = connect(gateway.addresses[0]!.port, '127.0.0.1')
  client.on('error', () => undefined)
  client.end('alpha\n')
  client.resume()
  await ended
  client.destroy()
  return events
}

const relayed = (socket: Socket): unknown => socket.end('yes\n')

it('is an answer when the session may go on', async () => {
  expect(await heard(relayed)).toEqual(['alpha answer'])
})

it.each<[string, string, (socket: Socket) => unknown]>([
  ['breaks off', 'PROXY_BACKEND_CLOSED', (socket) => socket.destroy()],
  ['talks nonsense', 'PROXY_BACKEND_PROTOCOL', (socket) => socket.write('what?\n')],
])('is a fault when the backend %s', async (_, code, serve) => {
  expect(await heard(serve)).toEqual([`alpha fault ${code}`])
})

it('is none when the backend says no', async () => {
  expect(await heard((socket) => socket.write('no\n'))).toEqual([])
})
