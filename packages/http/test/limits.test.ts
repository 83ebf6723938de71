import type { HookMap } from '@proxy/kernel'
import { describe, expect, it } from 'vitest'
import { answering, gateway, nodeBackend, ok, rawBackend, RawClient, until } from './setting.ts'

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

describe('slow clients', () => {
  it('that drip a head are told so and closed, however steadily they drip', async () => {
    const { port, ends } = await gateway(1, { headTimeoutMs: 300 })
    const client = new RawClient(port).send('GET / HTTP/1.1\r\n')
    const drip = setInterval(() => client.send('X: y\r\n'), 50)
    const received = await client.ends()
    clearInterval(drip)
    expect(received).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/)
    client.socket.destroy()
    await until(() => ends.length === 1)
    expect(ends[0]!.error?.code).toBe('PROXY_PEEK_TIMEOUT')
  })

  it('that say nothing are closed without a word', async () => {
    const { port } = await gateway(1, { headTimeoutMs: 100 })
    expect(await new RawClient(port).ends()).toBe('')
  })

  it('that stop in the middle of a body are closed', async () => {
    const backend = await rawBackend(() => {})
    const { port } = await gateway(backend, { bodyTimeoutMs: 200 })
    const client = new RawClient(port).send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc')
    expect(await client.ends()).toMatch(/^HTTP\/1\.1 408 .*Connection: close/s)
  })

  it('that rest between requests are closed after the keep-alive timeout', async () => {
    const backend = await nodeBackend((_req, res) => res.end('x'))
    const { port } = await gateway(backend, { keepAliveTimeoutMs: 200 })
    const client = new RawClient(port).send(get)
    expect(await client.ends()).toMatch(/\r\n\r\nx$/)
  })

  it('by the hundred do no harm to others', async () => {
    const backend = await nodeBackend((_req, res) => res.end('good'))
    const { port, gateway: running } = await gateway(backend, { headTimeoutMs: 1_000 })
    const slow = Array.from({ length: 300 }, () => new RawClient(port).send('GET / HTTP/1.1\r\nHost: a\r\nX'))
    await until(() => running.stats().sessions === 300)
    await new RawClient(port).send(get).receives('good')
    await Promise.all(slow.map((client) => client.ends()))
    for (const client of slow) client.socket.destroy()
    await until(() => running.stats().sessions <= 1)
  })
})

describe('slow backends', () => {
  it('that do not answer in time become 504', async () => {
    const backend = await rawBackend(() => {})
    const { port } = await gateway(backend, { requestTimeoutMs: 200 })
    expect(await new RawClient(port).send(get).receives('}')).toMatch(/^HTTP\/1\.1 504 .*PROXY_BACKEND_TIMEOUT/s)
  })

  it('may take as long as they like once they have begun: server-sent events', async () => {
    const backend = await nodeBackend((_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write('data: 1\n\n')
      setTimeout(() => res.write('data: 2\n\n'), 1_200)
    })
    const { port } = await gateway(backend, { requestTimeoutMs: 200, bodyTimeoutMs: 200, keepAliveTimeoutMs: 200 })
    const client = new RawClient(port).send(get)
    await client.receives('data: 1')
    await client.receives('data: 2')
  })
})

describe('draining', () => {
  it('lets the request in progress end, says so, and closes', async () => {
    let answer: (() => void) | undefined
    const backend = await nodeBackend((_req, res) => {
      if (answer === undefined) answer = () => res.end('late')
      else res.end('x')
    })
    const { port, gateway: running } = await gateway(backend)
    const client = new RawClient(port).send(get)
    await until(() => answer !== undefined)
    const resting = new RawClient(port).send(get)
    await resting.receives(/\r\n\r\nx/)
    const drained = running.drain()
    // The one at rest is closed when every session has been told.
    await resting.ends()
    answer?.()
    expect(await client.ends()).toMatch(/Connection: close\r\n.*late/s)
    client.socket.end()
    resting.socket.end()
    await drained
  })

  it('closes connections at rest', async () => {
    const backend = await nodeBackend((_req, res) => res.end('x'))
    const { port, gateway: running } = await gateway(backend)
    const client = new RawClient(port).send(get)
    await client.receives(/\r\n\r\nx/)
    const drained = running.drain()
    await client.ends()
    client.socket.end()
    await drained
  })
})

describe('request:end', () => {
  it('tells of every request, refused ones and abandoned ones too', async () => {
    const backend = await rawBackend((socket) => answering(socket, ok('hello')))
    const { port, gateway: running } = await gateway(backend)
    const seen: HookMap['request:end'][] = []
    running.hooks.on('request:end', (event) => seen.push(event))
    const client = new RawClient(port).send(get)
    await client.receives('hello')
    client.send('POST /x HTTP/1.1\r\nHost: NOBODY:1\r\nContent-Length: 2\r\n\r\nhi')
    await client.receives('}')
    client.send('nonsense\r\n\r\n')
    await until(() => seen.length === 3)
    expect(seen[0]).toMatchObject({ key: 'a', method: 'GET', status: 200, version: '1.1' })
    expect(seen[0]).toMatchObject({ bytesFromClient: get.length, bytesToClient: ok('hello').length })
    const { routedMs, upstreamMs, firstByteMs } = seen[0]!.timing
    expect(routedMs).toBe(0)
    expect(routedMs).toBeLessThanOrEqual(upstreamMs!)
    expect(upstreamMs).toBeLessThanOrEqual(firstByteMs!)
    expect(firstByteMs).toBeLessThanOrEqual(seen[0]!.durationMs)
    expect(seen[0]!.endpoint).toBeDefined()
    expect(seen[1]).toMatchObject({ key: 'nobody', method: 'POST', path: '/x', status: 404, endpoint: undefined })
    expect(seen[1]!.error).toMatchObject({ code: 'PROXY_RESOLVE_NOT_FOUND' })
    expect(seen[1]!.timing).toEqual({ routedMs: undefined, upstreamMs: undefined, firstByteMs: undefined })
    expect(seen[2]).toMatchObject({ status: 400, path: '' })
  })

  it('names the path of each request of a connection, without its query', async () => {
    const backend = await rawBackend((socket) => answering(socket, ok('hello')))
    const { port, gateway: running } = await gateway(backend)
    const paths: string[] = []
    running.hooks.on('request:end', ({ path }) => paths.push(path))
    const targets = ['/a?secret', '/a', '/ab', '/a/b?x?y', '/a/b', '/?', '/', 'http://a/c?d', '/c', '/a']
    const client = new RawClient(port)
    for (const target of targets) {
      client.send(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)
      await client.receives('hello')
    }
    client.send('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.receives('hello')
    client.send('GET /lost HTTP/1.1\r\nHost: a b\r\n\r\n')
    await until(() => paths.length === targets.length + 2)
    expect(paths).toEqual(['/a', '/a', '/ab', '/a/b', '/a/b', '/', '/', '/c', '/c', '/a', '*', ''])
  })
})
