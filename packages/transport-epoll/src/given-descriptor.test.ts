import net, { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import type { Link } from '@proxy/kernel'
import { settle, until } from '@proxy/testkit'
import { afterEach, expect, test } from 'vitest'
import { strictTransport } from './__fixtures__/strict.ts'

interface Handle {
  readonly fd: number
  getsockname(name: { port?: number }): number
  close(): void
}

const { _createServerHandle: bindSocket } = net as unknown as {
  _createServerHandle(host: string, port: number, family: 4 | 6, fd?: undefined, flags?: number): Handle
}

/** libuv's UV_TCP_REUSEPORT. */
const REUSEPORT = 2

const sockets: Socket[] = []

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
})

function bound(): { handle: Handle; port: number } {
  const handle = bindSocket('127.0.0.1', 0, 4)
  const name: { port?: number } = {}
  handle.getsockname(name)
  return { handle, port: name.port ?? 0 }
}

async function dial(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  sockets.push(socket)
  await once(socket, 'connect')
}

test('a binding takes connections from a descriptor, which stays open behind it', async () => {
  const { handle, port } = bound()
  const transport = strictTransport()
  const links: Link[] = []
  const acceptor = {
    onLink: (link: Link) => void links.push(link),
    onError: (error: Error) => expect.fail(String(error)),
  }
  const listen = () => transport.listen({ host: '127.0.0.1', port: 0, fd: handle.fd }, acceptor)

  const first = await listen()
  expect(first.address).toEqual({ host: '127.0.0.1', port })
  await dial(port)
  await until(() => links.length === 1, 'the first connection')

  // Nobody takes it: it waits in the queue of the socket, which is not closed.
  await first.close()
  await dial(port)
  await settle()
  expect(links).toHaveLength(1)

  const second = await listen()
  await until(() => links.length === 2, 'the connection that waited')
  await second.close()
  for (const link of links) link.destroy()
  handle.close()
})

test('with reusePort a descriptor is refused where another one listens, and lets others join once it listens', async () => {
  const acceptor = { onLink: () => undefined, onError: () => undefined }
  const { handle, port } = bound()
  const rival = bindSocket('127.0.0.1', port, 4)
  const transport = strictTransport()
  const listen = ({ fd }: Handle) => transport.listen({ host: '127.0.0.1', port: 0, fd, reusePort: true }, acceptor)

  const binding = await listen(handle)
  await expect(listen(rival)).rejects.toMatchObject({ code: 'EADDRINUSE' })
  const joins = bindSocket('127.0.0.1', port, 4, undefined, REUSEPORT)
  const second = await listen(joins)
  expect(second.address).toEqual({ host: '127.0.0.1', port })
  await Promise.all([binding.close(), second.close()])
  for (const socket of [handle, rival, joins]) socket.close()
})

test('what cannot be listened on is an error that names the address', async () => {
  const acceptor = { onLink: () => undefined, onError: () => undefined }
  const port = 4_321
  const listening = strictTransport().listen({ host: '127.0.0.1', port, fd: 1_000_000 }, acceptor)
  await expect(listening).rejects.toMatchObject({ syscall: 'listen', address: '127.0.0.1', port })
})
