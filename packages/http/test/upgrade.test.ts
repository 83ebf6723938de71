import { once } from 'node:events'
import { createServer } from 'node:http'
import { describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { answering, gateway, listen, ok, rawBackend, RawClient, until } from './setting.ts'

const upgrade = 'GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: chat/1\r\n\r\n'
const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat/1\r\n\r\n'

describe('WebSocket', () => {
  it('works through the gateway, both ways, with large messages and a close code', async () => {
    const server = createServer()
    new WebSocketServer({ server }).on('connection', (socket) => {
      socket.on('message', (data, binary) => socket.send(data, { binary }))
    })
    const { port } = await gateway(await listen(server))
    const client = new WebSocket(`ws://127.0.0.1:${port}/path`)
    await once(client, 'open')
    client.send('hello')
    expect(String((await once(client, 'message'))[0])).toBe('hello')
    const large = Buffer.alloc(3_000_000, 'abc')
    client.send(large)
    expect(large.equals((await once(client, 'message'))[0] as Buffer)).toBe(true)
    client.close(4_001, 'enough')
    expect((await once(client, 'close'))[0]).toBe(4_001)
  })

  it('that is refused by the backend gets its answer', async () => {
    const port = await rawBackend((socket) => answering(socket, 'HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n'))
    const { port: front } = await gateway(port)
    const client = new WebSocket(`ws://127.0.0.1:${front}/`)
    const [, answer] = await once(client, 'unexpected-response')
    expect(answer.statusCode).toBe(401)
    client.on('error', () => {})
    client.terminate()
  })

  it('is not cut by the timeouts of requests', async () => {
    const server = createServer()
    new WebSocketServer({ server }).on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
    const timeouts = { keepAliveTimeoutMs: 100, requestTimeoutMs: 100, bodyTimeoutMs: 100, headTimeoutMs: 100 }
    const { port } = await gateway(await listen(server), timeouts)
    const client = new WebSocket(`ws://127.0.0.1:${port}/`)
    await once(client, 'open')
    await new Promise((resolve) => setTimeout(resolve, 600))
    client.send('still here')
    expect(String((await once(client, 'message'))[0])).toBe('still here')
    client.terminate()
  })
})

describe('any other upgrade', () => {
  it('becomes raw with the 101, early bytes of both sides included, and is half-closed', async () => {
    let early = ''
    const port = await rawBackend((socket) => {
      socket.on('data', (bytes: Buffer) => {
        early += bytes.toString()
        if (early.endsWith('\r\n\r\n')) socket.write(`${switching}server first `)
      })
      socket.on('end', () => socket.end(`got ${early.split('\r\n\r\n')[1]}`))
    })
    const { port: front, ends } = await gateway(port)
    const client = new RawClient(front).send(`${upgrade}client early `)
    expect(await client.receives('server first ')).toBe(`${switching}server first `)
    client.send('client late')
    client.socket.end()
    expect(await client.ends()).toBe(`${switching}server first got client early client late`)
    await until(() => ends.length === 1)
    expect(ends[0]).toMatchObject({ outcome: 'relayed', reason: 'client' })
  })

  it('stays HTTP for as long as the backend has not answered 101', async () => {
    const heads: string[] = []
    const port = await rawBackend((socket) => {
      socket.on('data', (bytes: Buffer) => {
        heads.push(bytes.toString('latin1'))
        setTimeout(() => socket.write(ok('plain')), 10)
      })
    })
    const { port: front } = await gateway(port)
    const client = new RawClient(front).send(`${upgrade}GET /smuggled HTTP/1.1\r\nHost: nobody\r\n\r\n`)
    expect(await client.receives('no such tenant')).toContain('plain')
    expect(heads).toHaveLength(1)
    expect(heads[0]).toMatch(/Upgrade: chat\/1\r\n(.*\r\n)*Connection: Upgrade\r\n/)
  })

  it('to HTTP/2 is not passed on', async () => {
    let head = ''
    const port = await rawBackend((socket) => {
      socket.once('data', (bytes: Buffer) => {
        head = bytes.toString('latin1')
        socket.write(ok('plain'))
      })
    })
    const { port: front } = await gateway(port)
    const h2c = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__'
    await new RawClient(front).send(`GET / HTTP/1.1\r\nHost: a\r\n${h2c}\r\n\r\n`).receives('plain')
    expect(head).not.toMatch(/upgrade|http2/i)
  })
})
