import type { Socket } from 'node:net'
import { expect, it } from 'vitest'
import { answering, gateway, ok, rawBackend, RawClient, until } from './setting.ts'

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const post = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi'

/** Clients in front of one backend, and what the hooks say of it. */
async function heard(serve: (socket: Socket, index: number) => unknown, requestTimeoutMs = 10_000) {
  const backend = await rawBackend(serve)
  const { port, gateway: made } = await gateway(backend, { requestTimeoutMs })
  const events: string[] = []
  made.hooks.on('upstream:fault', ({ key, endpoint, error }) => {
    expect(endpoint.port).toBe(backend)
    events.push(`${key} ${error.code}`)
  })
  made.hooks.on('upstream:answer', ({ key }) => events.push(`${key} answer`))
  return { events, port }
}

it('each response is an answer, an error of the backend included', async () => {
  const { events, port } = await heard((socket) =>
    answering(socket, ok('x'), 'HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n'),
  )
  const client = new RawClient(port).send(get)
  await client.receives('200 OK')
  await client.send(get).receives('500 Internal')
  expect(events).toEqual(['a answer', 'a answer'])
})

it.each<[string, string, (socket: Socket) => unknown]>([
  ['breaks off', 'PROXY_BACKEND_CLOSED', (socket) => socket.once('data', () => socket.destroy())],
  [
    'talks nonsense',
    'PROXY_BACKEND_PROTOCOL',
    (socket) => socket.once('data', () => socket.write('SSH-2.0-OpenSSH_9.2p1 Debian\r\n\r\n')),
  ],
  ['is silent', 'PROXY_BACKEND_TIMEOUT', () => undefined],
])('a backend that %s before its response is at fault, once', async (_, code, serve) => {
  const { events, port } = await heard(serve, 100)
  await new RawClient(port).send(get).receives(/^HTTP\/1.1 50[24] /)
  expect(events).toEqual([`a ${code}`])
})

it('a response that is cut short is none: it was begun', async () => {
  const { events, port } = await heard((socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx')),
  )
  await new RawClient(port).send(get).ends()
  expect(events).toEqual(['a answer'])
})

it.each([get, post])('nobody is at fault when an idle connection is closed as it is used again: %j', async (second) => {
  const { events, port } = await heard((socket, index) => {
    let requests = 0
    socket.on('data', () => (++requests === 1 || index > 0 ? socket.write(ok('fine')) : socket.resetAndDestroy()))
  })
  await new RawClient(port).send(get).receives('fine')
  const client = new RawClient(port).send(second)
  await client.receives(/fine|PROXY_BACKEND_CLOSED/)
  await until(() => events.length > 0)
  expect(events.filter((event) => event !== 'a answer')).toEqual([])
})

it('a client that leaves is no fault of the backend', async () => {
  const asked = Promise.withResolvers<void>()
  const { events, port } = await heard((socket) => socket.once('data', () => asked.resolve()))
  const client = new RawClient(port).send(get)
  await asked.promise
  client.socket.destroy()
  await until(() => client.closed)
  expect(events).toEqual([])
})
