import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { answering, gateway, nodeBackend, ok, rawBackend, RawClient, until } from './setting.ts'

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const post = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi'

describe('the pool', () => {
  it('gives one connection to requests of many clients, last in first out', async () => {
    const port = await nodeBackend((_req, res) => res.end('x'))
    const { port: front, dials } = await gateway(port)
    for (let i = 0; i < 5; i++) await new RawClient(front).send(get).receives(/\r\n\r\nx/)
    expect(dials).toHaveLength(1)
  })

  it('repeats a GET on a new connection when the old one turns out to be stale', async () => {
    let connections = 0
    const port = await rawBackend((socket) => {
      connections++
      let requests = 0
      socket.on('data', () => {
        // The second request on a connection is never looked at: the connection was about to be closed.
        if (++requests === 1) socket.write(ok('fine'))
        else socket.resetAndDestroy()
      })
    })
    const { port: front } = await gateway(port)
    for (let i = 1; i <= 3; i++) {
      const client = new RawClient(front).send(get)
      expect(await client.receives('fine')).toMatch(/^HTTP\/1\.1 200/)
    }
    expect(connections).toBe(3)
  })

  it('never repeats what may have been done: POST, and what has been answered in part', async () => {
    let requests = 0
    const port = await rawBackend((socket) => {
      socket.on('data', (bytes: Buffer) => {
        requests++
        if (bytes.includes('/first')) socket.write(ok('fine'))
        else if (bytes.includes('/part')) socket.end('HTTP/1.1 200')
        else socket.end()
      })
    })
    const { port: front } = await gateway(port)
    await new RawClient(front).send(get.replace('/ ', '/first ')).receives('fine')
    expect(await new RawClient(front).send(post).receives('}')).toMatch(/502.*PROXY_BACKEND_CLOSED/s)
    await new RawClient(front).send(get.replace('/ ', '/first ')).receives('fine')
    expect(await new RawClient(front).send(get.replace('/ ', '/part ')).receives('}')).toMatch(/^HTTP\/1\.1 502/)
    expect(requests).toBe(4)
  })

  it('never shows a client that a backend has closed an idle connection', async () => {
    const sockets: Socket[] = []
    const port = await rawBackend((socket) => {
      sockets.push(socket)
      answering(socket, ok('fine'))
    })
    const { port: front } = await gateway(port)
    for (const request of [get, post, get]) {
      await new RawClient(front).send(request).receives('fine')
      sockets.at(-1)!.end()
      await new Promise((resolve) => sockets.at(-1)!.once('close', resolve))
    }
    expect(sockets).toHaveLength(3)
  })

  it('keeps no connection longer than its backend says, less a second', async () => {
    const port = await nodeBackend(
      (_req, res) => res.end('x'),
      (server) => {
        server.keepAliveTimeout = 1_000
      },
    )
    const { port: front, dials } = await gateway(port)
    await new RawClient(front).send(get).receives(/\r\n\r\nx/)
    await new RawClient(front).send(get).receives(/\r\n\r\nx/)
    expect(dials).toHaveLength(2)
  })

  it('closes idle connections after a while', async () => {
    let closed = 0
    const port = await rawBackend((socket) => {
      answering(socket, ok('fine'))
      socket.on('end', () => closed++)
    })
    const { port: front } = await gateway(port, { poolIdleTimeoutMs: 100 })
    await new RawClient(front).send(get).receives('fine')
    await until(() => closed === 1)
  })

  it('is bounded: requests wait for their turn, and not for ever', async () => {
    let requests = 0
    let release = (): void => {}
    const port = await rawBackend((socket) => {
      socket.on('data', () => {
        release = () => socket.write(ok('first'))
        if (++requests > 1) socket.write(ok('next'))
      })
    })
    const { port: front, dials } = await gateway(port, { poolSize: 1, poolTimeoutMs: 200 })
    const first = new RawClient(front).send(get)
    await until(() => requests === 1)
    const second = new RawClient(front).send(get)
    expect(await second.receives('}')).toMatch(/^HTTP\/1\.1 503 .*Retry-After: 1\r\n.*busy/s)
    const third = new RawClient(front).send(get)
    release()
    await first.receives('first')
    await third.receives('next')
    expect(dials).toHaveLength(1)
  })

  it('is not shared by clients where a PROXY header names the client', async () => {
    const heads: string[] = []
    const port = await rawBackend((socket) => {
      socket.once('data', (bytes: Buffer) => heads.push(bytes.toString('latin1').split('\r\n')[0] ?? ''))
      answering(socket, ok('fine'))
    })
    const { port: front } = await gateway(
      port,
      {},
      {
        resolver: () => ({ endpoint: `127.0.0.1:${port}`, proxyProtocol: 1 }),
      },
    )
    const client = new RawClient(front)
    await client.send(get).receives('fine')
    await client.send(get).receives(/fine.*fine/s)
    await new RawClient(front).send(get).receives('fine')
    expect(heads).toHaveLength(2)
    expect(heads.every((head) => /^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+$/.test(head))).toBe(true)
  })

  it('follows a backend that moves and keeps its id', async () => {
    const one = await nodeBackend((_req, res) => res.end('one'))
    const two = await nodeBackend((_req, res) => res.end('two'))
    let at = one
    const { port: front } = await gateway(one, {}, { resolver: () => ({ endpoint: `127.0.0.1:${at}`, id: 'same' }) })
    await new RawClient(front).send(get).receives('one')
    at = two
    await new RawClient(front).send(get).receives('two')
  })
})

describe('a client that leaves', () => {
  it('ends the request at its backend', async () => {
    let ended = false
    const port = await nodeBackend((req, res) => {
      res.write('something')
      req.socket.on('close', () => {
        ended = true
      })
    })
    const { port: front, ends } = await gateway(port)
    const client = new RawClient(front).send(get)
    await client.receives('something')
    client.socket.destroy()
    await until(() => ended && ends.length === 1)
    expect(ends[0]).toMatchObject({ outcome: 'failed', reason: 'client' })
  })

  it('leaves nothing behind when it leaves at rest', async () => {
    const port = await nodeBackend((_req, res) => res.end('x'))
    const { port: front, ends } = await gateway(port)
    const client = new RawClient(front).send(get)
    await client.receives(/\r\n\r\nx/)
    client.socket.end()
    await until(() => ends.length === 1)
    expect(ends[0]).toMatchObject({ outcome: 'relayed', error: undefined })
  })
})

describe('backpressure', () => {
  it('of a client that does not read reaches the backend', async () => {
    let written = 0
    let full = false
    const block = Buffer.alloc(1024 * 1024)
    const port = await nodeBackend((_req, res) => {
      const more = (): void => {
        while (written < 200) {
          written++
          if (!res.write(block)) return
        }
        full = true
        res.end()
      }
      res.on('drain', more)
      more()
    })
    const { port: front } = await gateway(port)
    const client = new RawClient(front)
    client.socket.pause()
    client.send(get)
    let last = -1
    while (written !== last) {
      last = written
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    expect(full).toBe(false)
    expect(written).toBeLessThan(100)
  })

  it('of a backend that does not read reaches the client', async () => {
    const port = await rawBackend((socket) => socket.pause())
    const { port: front } = await gateway(port)
    const client = new RawClient(front).send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000000\r\n\r\n')
    const block = Buffer.alloc(1024 * 1024)
    for (let i = 0; i < 100; i++) client.socket.write(block)
    let last = -1
    while (client.socket.writableLength !== last) {
      last = client.socket.writableLength
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    expect(client.socket.writableLength).toBeGreaterThan(50 * 1024 * 1024)
  })
})
