import { once } from 'node:events'
import {
  type ClientHttp2Session,
  connect,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { Readable } from 'node:stream'
import { certificateAuthority } from '@proxy/test-servers'
import { tls } from '@proxy/tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { http } from '../src/index.ts'
import { type Frame, Frames } from './frames.ts'
import { answering, gateway, nodeBackend, ok, rawBackend, RawClient, until } from './setting.ts'

function dial(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  onTestFinished(() => session.destroy())
  return session
}

interface Answer {
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly trailers: IncomingHttpHeaders | undefined
}

async function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string | Buffer,
  trailers?: OutgoingHttpHeaders,
): Promise<Answer> {
  const stream = session.request(headers, { endStream: body === undefined, waitForTrailers: trailers !== undefined })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}))
  if (body !== undefined) stream.end(body)
  let got: IncomingHttpHeaders | undefined
  let text = ''
  let tail: IncomingHttpHeaders | undefined
  stream.on('response', (response) => {
    got = response
  })
  stream.on('trailers', (fields) => {
    tail = fields
  })
  stream.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  await once(stream, 'close')
  return { headers: got ?? {}, body: text, trailers: tail }
}

describe('HTTP/2 without TLS', () => {
  it('reaches an HTTP/1.1 backend, many streams over few connections', async () => {
    const port = await nodeBackend((req, res) => {
      let body = ''
      req.on('data', (chunk) => {
        body += chunk
      })
      req.on('end', () => {
        res.setHeader('Set-Cookie', ['a=1', 'b=2'])
        res.end(`${req.method} ${req.url} ${req.headers.host} ${String(req.headers['x-forwarded-for'])} ${body}`)
      })
    })
    const { port: front, dials } = await gateway(port, { h2c: true })
    const session = dial(front)
    const asked = Array.from({ length: 50 }, (_, i) =>
      ask(session, { ':method': 'POST', ':path': `/${i}?q`, ':authority': 'A.example:80' }, `body ${i}`),
    )
    for (const [i, { headers, body }] of (await Promise.all(asked)).entries()) {
      expect(headers).toMatchObject({ ':status': 200, 'set-cookie': ['a=1', 'b=2'] })
      expect(headers).not.toHaveProperty('connection')
      expect(headers).not.toHaveProperty('transfer-encoding')
      expect(body).toBe(`POST /${i}?q A.example:80 127.0.0.1 body ${i}`)
    }
    const dialled = dials.length
    await ask(session, { ':path': '/' })
    expect(dials.length).toBe(dialled)
  })

  it('reads every character, in the short codes that clients use', async () => {
    const port = await nodeBackend((req, res) => res.end(Buffer.from(String(req.headers['x-all']), 'latin1')))
    const { port: front } = await gateway(port, { h2c: true })
    // Behind so many short codes nghttp2 takes the long ones, too.
    const all = `${'e'.repeat(3_000)}${Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('')}`
    const value = all.replace(/[\0-\x20\x7f]/g, '')
    const stream = dial(front).request({ ':path': '/', 'x-all': value })
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString('latin1')).toBe(value)
  })

  it('is refused unless it is allowed', async () => {
    const { port } = await gateway(1)
    const received = await new RawClient(port).send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n').ends()
    expect(received).toMatch(/^HTTP\/1\.1 505 /)
  })

  it('is recognised however its preface is cut', async () => {
    const port = await nodeBackend((_req, res) => res.end('x'))
    const { port: front } = await gateway(port, { h2c: true })
    const socket = connectTcp(front, '127.0.0.1')
    onTestFinished(() => {
      socket.destroy()
    })
    const preface = Buffer.concat([
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
    ])
    for (const byte of preface) {
      socket.write(Buffer.from([byte]))
      await new Promise((resolve) => setImmediate(resolve))
    }
    const [settings] = await once(socket, 'data')
    expect((settings as Buffer)[3]).toBe(4)
  })

  it('passes trailers both ways, interim responses, and HEAD', async () => {
    const seen: unknown[] = []
    const port = await nodeBackend((req, res) => {
      if (req.method === 'HEAD') return void res.writeHead(200, { 'content-length': 7 }).end()
      res.writeEarlyHints({ link: '</a>; rel=preload' })
      req.resume()
      req.on('end', () => {
        seen.push(req.trailers)
        res.writeHead(200, { Trailer: 'x-sum' })
        res.write('body')
        res.addTrailers({ 'x-sum': '1' })
        res.end()
      })
    })
    const { port: front } = await gateway(port, { h2c: true })
    const session = dial(front)
    const stream = session.request({ ':method': 'POST', ':path': '/' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-up': '2' }))
    const hints = once(stream, 'headers')
    const trailers = once(stream, 'trailers')
    stream.resume().end('request')
    expect((await hints)[0]).toMatchObject({ ':status': 103, link: '</a>; rel=preload' })
    expect((await trailers)[0]).toMatchObject({ 'x-sum': '1' })
    expect(seen).toEqual([{ 'x-up': '2' }])
    const { headers, body } = await ask(session, { ':method': 'HEAD', ':path': '/' })
    expect([headers[':status'], headers['content-length'], body]).toEqual([200, '7', ''])
  })

  it.each([
    ['a Host that contradicts :authority', { ':authority': 'a', host: 'b' }, 400],
    ['an authority that is none', { ':authority': 'a,b' }, 400],
    ['an unknown tenant', { ':authority': 'nobody' }, 404],
    ['a backend that is not there', { ':authority': 'a' }, 502],
  ])('with %s is refused', async (_name, headers, status) => {
    const { port } = await gateway(1, { h2c: true })
    const answer = await ask(dial(port), { ':path': '/', ...headers })
    expect(answer.headers[':status']).toBe(status)
    expect(JSON.parse(answer.body)).toMatchObject({ status })
  })

  it('has no CONNECT', async () => {
    const { port } = await gateway(1, { h2c: true })
    const { headers } = await ask(dial(port), { ':method': 'CONNECT', ':authority': 'a:1' })
    expect(headers[':status']).toBe(405)
  })

  it('is answered by hooks and static answers too', async () => {
    const { port } = await gateway(1, {
      h2c: true,
      onRequest: async ({ target, host }) => ({ status: 201, body: `${host} ${target}`, headers: { 'X-A': 'b' } }),
    })
    const { headers, body } = await ask(dial(port), { ':path': '/p', ':authority': 'H.example' })
    expect([headers[':status'], headers['x-a'], body]).toEqual([201, 'b', 'h.example /p'])
  })

  it('streams with backpressure and equal bytes', async () => {
    const size = 30_000_000
    const port = await nodeBackend((req, res) => req.pipe(res))
    const { port: front } = await gateway(port, { h2c: true })
    const stream = dial(front).request({ ':method': 'POST', ':path': '/' })
    Readable.from(Array.from({ length: 300 }, () => Buffer.alloc(size / 300, 'abc'))).pipe(stream)
    let total = 0
    for await (const chunk of stream) total += (chunk as Buffer).length
    expect(total).toBe(size)
  })

  it('resets the stream when its backend breaks off, and no other', async () => {
    const port = await rawBackend((socket) => {
      socket.once('data', (bytes: Buffer) => {
        if (bytes.includes('/bad')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this')
        else socket.write(ok('good'))
      })
    })
    const { port: front } = await gateway(port, { h2c: true })
    const session = dial(front)
    const stream = session.request({ ':path': '/bad' })
    const error = once(stream.resume(), 'error')
    expect((await ask(session, { ':path': '/good' })).body).toBe('good')
    expect((await error)[0].message).toContain('NGHTTP2_INTERNAL_ERROR')
  })

  it('ends the request at the backend when the client cancels it', async () => {
    let closed = false
    const port = await rawBackend((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst'))
      socket.on('end', () => {
        closed = true
      })
    })
    const { port: front } = await gateway(port, { h2c: true })
    const stream = dial(front).request({ ':path': '/' })
    await once(stream, 'data')
    stream.close(constants.NGHTTP2_CANCEL)
    await until(() => closed)
  })

  it.each([
    ['a length', 'Content-Length: 60000\r\n\r\n', 'x'.repeat(60_000)],
    ['chunks', 'Transfer-Encoding: chunked\r\n\r\n', `7530\r\n${'x'.repeat(30_000)}\r\n`.repeat(2) + '0\r\n\r\n'],
  ])('does not slow a pooled connection with a client that was slow at the end: %s', async (_name, framing, body) => {
    const port = await rawBackend((socket) => {
      socket.on('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\n${framing}`)
        setTimeout(() => socket.write(body), 20)
      })
    })
    const { port: front, dials } = await gateway(port, { h2c: true })
    const session = dial(front)
    for (let i = 0; i < 3; i++) expect((await ask(session, { ':path': '/' })).body).toBe('x'.repeat(60_000))
    expect(dials).toHaveLength(1)
  })

  it('repeats a GET when a pooled connection turns out to be stale', async () => {
    const port = await rawBackend((socket) => {
      let requests = 0
      socket.on('data', () => {
        if (++requests === 1) socket.write(ok('fine'))
        else socket.resetAndDestroy()
      })
    })
    const { port: front } = await gateway(port, { h2c: true })
    const session = dial(front)
    expect((await ask(session, { ':path': '/' })).body).toBe('fine')
    expect((await ask(session, { ':path': '/' })).body).toBe('fine')
  })

  it('says goodbye twice when it drains, and finishes what is under way', async () => {
    let answer: (() => void) | undefined
    const port = await nodeBackend((_req, res) => {
      answer = () => res.end('late')
    })
    const { port: front, gateway: running } = await gateway(port, { h2c: true })
    const session = dial(front)
    const goaways: number[] = []
    session.on('goaway', (_code, last) => goaways.push(last))
    const asked = ask(session, { ':path': '/' })
    await until(() => answer !== undefined)
    const drained = running.drain()
    await until(() => goaways.length === 2)
    expect(goaways).toEqual([0x7fffffff, 1])
    answer?.()
    expect((await asked).body).toBe('late')
    await drained
  })

  it('is closed when it rests', async () => {
    const port = await nodeBackend((_req, res) => res.end('x'))
    const { port: front, gateway: running } = await gateway(port, { h2c: true, keepAliveTimeoutMs: 100 })
    await ask(dial(front), { ':path': '/' })
    await until(() => running.stats().sessions === 0)
  })
})

describe('HTTP/2 over TLS', () => {
  it('is chosen by ALPN, and says https', async () => {
    const authority = certificateAuthority()
    onTestFinished(() => authority.dispose())
    const leaf = authority.server({ name: 'a.example', altNames: ['a.example'] })
    const port = await nodeBackend((req, res) => res.end(String(req.headers['x-forwarded-proto'])))
    const { port: front } = await gateway(port, {}, (options) => ({
      listeners: [
        { address: '127.0.0.1:0', protocol: http({ ...options, http2: true }), tls: tls({ certificates: [leaf] }) },
      ],
    }))
    const session = connect(`https://127.0.0.1:${front}`, { ca: authority.cert, servername: 'a.example' })
    onTestFinished(() => session.destroy())
    expect((await ask(session, { ':path': '/', ':authority': 'a.example' })).body).toBe('https')
    expect(session.alpnProtocol).toBe('h2')
    const answer = await fetchOverTls(front, authority.cert)
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK.*https$/s)
  })
})

async function fetchOverTls(port: number, ca: string): Promise<string> {
  const { connect: connectTls } = await import('node:tls')
  const socket = connectTls({ port, host: '127.0.0.1', ca, servername: 'a.example', ALPNProtocols: ['http/1.1'] })
  socket.write('GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n')
  let text = ''
  for await (const chunk of socket) text += chunk
  return text
}

describe('a chunked response without trailers', () => {
  it('ends with END_STREAM and no reset', async () => {
    const port = await nodeBackend((_req, res) => {
      res.write('some ')
      setTimeout(() => res.end('more'), 10)
    })
    const { port: front } = await gateway(port, { h2c: true })
    const frames = new Frames(front)
    frames.headers(1, 5)
    const isEnd = ({ type, flags }: Frame): boolean => type === 3 || (type === 0 && (flags & 1) === 1)
    await until(() => frames.received.some(isEnd))
    expect(frames.received.filter(({ stream }) => stream === 1).map(({ type }) => type)).not.toContain(3)
  })
})

describe('floods', () => {
  async function good(front: number): Promise<void> {
    expect((await ask(dial(front), { ':path': '/', ':authority': 'a' })).body).toBe('good')
  }

  async function front(): Promise<{ port: number; rss: () => number }> {
    const port = await rawBackend((socket) => answering(socket, ok('good')))
    const { port: front } = await gateway(port, { h2c: true })
    const before = process.memoryUsage.rss()
    return { port: front, rss: () => (process.memoryUsage.rss() - before) / 1024 / 1024 }
  }

  it('of streams that are reset at once (rapid reset) are ended', async () => {
    const { port, rss } = await front()
    const frames = new Frames(port)
    for (let id = 1; id < 800 && !frames.client.closed && !frames.client.ended; id += 2) {
      frames.headers(id, 5)
      frames.frame(3, 0, id, '\0\0\0\x08')
      if (id % 100 === 1) await new Promise((resolve) => setImmediate(resolve))
    }
    await frames.client.ends()
    expect(rss()).toBeLessThan(200)
    await good(port)
  })

  it('of streams that the server is made to reset (MadeYouReset) are ended', async () => {
    const { port, rss } = await front()
    const frames = new Frames(port)
    for (let id = 1; id < 800 && !frames.client.closed && !frames.client.ended; id += 2) {
      frames.headers(id, 5)
      // A window update of zero is an error of the stream.
      frames.frame(8, 0, id, '\0\0\0\0')
      if (id % 100 === 1) await new Promise((resolve) => setImmediate(resolve))
    }
    await frames.client.ends()
    expect(rss()).toBeLessThan(200)
    await good(port)
  })

  it('of CONTINUATION frames are ended', async () => {
    const { port, rss } = await front()
    const frames = new Frames(port)
    frames.headers(1, 1)
    const filler = `\x00\x01x${String.fromCharCode(120)}${'a'.repeat(120)}`.repeat(80)
    for (let i = 0; i < 5_000 && !frames.client.closed && !frames.client.ended; i++) {
      frames.frame(9, 0, 1, filler)
      if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await frames.client.ends()
    expect(rss()).toBeLessThan(200)
    await good(port)
  })

  it('of PINGs and SETTINGS are bounded', async () => {
    const { port, rss } = await front()
    const frames = new Frames(port)
    frames.client.socket.pause()
    for (let i = 0; i < 100_000 && !frames.client.socket.destroyed; i++) {
      frames.frame(6, 0, 0, 'pingping')
      if (i % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    expect(rss()).toBeLessThan(200)
    await good(port)
  })
})
