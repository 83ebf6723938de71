import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { describe, expect, it } from 'vitest'
import { answering, gateway, nodeBackend, ok, rawBackend, RawClient, until } from './setting.ts'

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

describe('a request', () => {
  it('keeps its Host and says who the client is', async () => {
    const port = await nodeBackend((req, res) => res.end(JSON.stringify(req.headers)))
    const { port: front } = await gateway(port)
    const client = new RawClient(front).send(
      'GET / HTTP/1.1\r\nHost: Alpha.example:81\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n',
    )
    const headers = JSON.parse((await client.receives('}')).split('\r\n\r\n')[1] ?? '')
    expect(headers).toEqual({
      host: 'Alpha.example:81',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'Alpha.example:81',
    })
  })

  it('in absolute form goes to the host in its target', async () => {
    const port = await nodeBackend((req, res) => res.end(`${req.url} at ${req.headers.host}`))
    const { port: front } = await gateway(port)
    const client = new RawClient(front).send('GET http://b.example/x?y HTTP/1.1\r\nHost: nobody\r\n\r\n')
    expect(await client.receives('example')).toContain('/x?y at b.example')
  })

  it('of an unknown tenant is answered 404 and the connection lives on', async () => {
    const port = await nodeBackend((_req, res) => res.end('fine'))
    const { port: front } = await gateway(port)
    const client = new RawClient(front).send('POST / HTTP/1.1\r\nHost: nobody\r\nContent-Length: 3\r\n\r\nabc')
    expect(await client.receives('PROXY_RESOLVE_NOT_FOUND')).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/)
    expect(await client.send(get).receives('fine')).toContain('HTTP/1.1 200 OK')
  })

  it('may be sent to a fixed backend without asking the resolver', async () => {
    const port = await nodeBackend((_req, res) => res.end('fixed'))
    const { port: front } = await gateway(1, { backend: `127.0.0.1:${port}` })
    expect(await new RawClient(front).send('GET / HTTP/1.0\r\n\r\n').receives('fixed')).toContain('200 OK')
  })

  it.each([
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
    ['no Host in HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n', 400],
    ['a Host that is none', 'GET / HTTP/1.1\r\nHost: a,b\r\n\r\n', 400],
    ['a user in its target', 'GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['another scheme', 'GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['CONNECT', 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n', 405],
    ['an asterisk', 'GET * HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['both framings', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
    ['a head without end', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(17_000)}`, 431],
    ['another version', 'GET / HTTP/3.0\r\nHost: a\r\n\r\n', 505],
  ])('with %s is refused without a dial', async (_name, text, status) => {
    const { port: front, dials } = await gateway(1)
    const client = new RawClient(front).send(text)
    expect(await client.receives('\r\n\r\n')).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(dials).toEqual([])
  })

  it('with broken chunks is refused, and costs no backend its connection', async () => {
    let served = 0
    const port = await rawBackend((socket) => answering(socket, ok(`served ${++served}`)))
    const { port: front, dials } = await gateway(port)
    await new RawClient(front).send(get).receives('served 1')
    const chunked = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
    expect(await new RawClient(front).send(`${chunked}zz\r\n`).ends()).toMatch(/^HTTP\/1\.1 400 /)
    await new RawClient(front).send(get).receives('served 1')
    expect(dials).toHaveLength(1)
    expect(await new RawClient(front).send(`${chunked}1\r\nab\r\n`).ends()).toMatch(/^HTTP\/1\.1 400 /)
  })

  it('behind one that is malformed is not read', async () => {
    const port = await nodeBackend((_req, res) => res.end('served'))
    const { port: front } = await gateway(port)
    const received = await new RawClient(front).send(`GET /\nHost: a\r\n\r\n${get}`).ends()
    expect(received.match(/HTTP\/1\.1 /g)).toHaveLength(1)
    expect(received).not.toContain('served')
  })

  it('is answered in text when that is what it accepts', async () => {
    const { port: front } = await gateway(1)
    const client = new RawClient(front).send('GET / HTTP/1.1\r\nHost: nobody\r\nAccept: text/html\r\n\r\n')
    expect(await client.receives('tenant')).toMatch(
      /Content-Type: text\/plain.*\r\n\r\n404 Not Found: no such tenant\n$/s,
    )
  })

  it('to a backend that is not there is answered 502', async () => {
    const { port: front } = await gateway(1)
    expect(await new RawClient(front).send(get).receives('}')).toMatch(/^HTTP\/1\.1 502 (?!.*127\.0)/s)
  })
})

describe('pipelined requests', () => {
  it('are answered in order, also behind a body and an error of ours', async () => {
    const port = await nodeBackend((req, res) => {
      let body = ''
      req.on('data', (chunk) => {
        body += chunk
      })
      req.on('end', () => setTimeout(() => res.end(`<${req.url}${body}>`), req.url === '/1' ? 20 : 0))
    })
    const { port: front } = await gateway(port)
    const client = new RawClient(front).send(
      'GET /1 HTTP/1.1\r\nHost: a\r\n\r\n' +
        'POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc' +
        'GET /3 HTTP/1.1\r\nHost: nobody\r\n\r\n' +
        'POST /4 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n' +
        'GET /5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' +
        'GET /6 HTTP/1.1\r\nHost: a\r\n\r\n',
    )
    const received = await client.ends()
    expect(received.match(/<.*?>|no such tenant/g)).toEqual(['</1>', '</2abc>', 'no such tenant', '</4def>', '</5>'])
  })

  it('are bounded: a client that never reads on is paused', async () => {
    const port = await rawBackend(() => {})
    const { port: front } = await gateway(port)
    const client = new RawClient(front).send(get)
    const filler = Buffer.alloc(65_536, get)
    for (let i = 0; i < 2_000 && client.socket.writableLength < 8_000_000; i++) {
      client.socket.write(filler)
      if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    expect(client.socket.writableLength).toBeGreaterThan(4_000_000)
  })
})

describe('HTTP/1.0', () => {
  it('closes unless asked to stay', async () => {
    const port = await nodeBackend((_req, res) => res.end('x'))
    const { port: front } = await gateway(port)
    const closing = await new RawClient(front).send('GET / HTTP/1.0\r\nHost: a\r\n\r\n').ends()
    expect(closing).toMatch(/Connection: close/)
    const staying = new RawClient(front).send('GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n')
    expect(await staying.receives(/\r\n\r\nx/)).toMatch(/Connection: keep-alive/)
    expect(await staying.send('GET / HTTP/1.0\r\nHost: a\r\n\r\n').ends()).toMatch(/x.*x$/s)
  })

  it('gets a chunked response without its chunks', async () => {
    const port = await nodeBackend((_req, res) => {
      res.write('first ')
      setTimeout(() => res.end('second'), 10)
    })
    const { port: front } = await gateway(port)
    const received = await new RawClient(front)
      .send('GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n')
      .ends()
    expect(received).toMatch(/\r\n\r\nfirst second$/)
    expect(received).not.toMatch(/transfer-encoding/i)
  })

  it('of a backend is spoken to the client as HTTP/1.1, ended by the connection', async () => {
    const port = await rawBackend((socket) => {
      socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nuntil the end'))
    })
    const { port: front } = await gateway(port)
    const received = await new RawClient(front).send(get).ends()
    expect(received).toBe('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end')
  })
})

describe('bodiless responses', () => {
  it.each([
    ['HEAD', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n'],
    ['HEAD, chunked', 'HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['204', 'GET', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['304 with a length', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n'],
  ])('%s: the connections on both sides go on', async (_name, method, answer) => {
    let connections = 0
    const port = await rawBackend((socket) => {
      connections++
      answering(socket, answer, ok('next'))
    })
    const { port: front } = await gateway(port)
    const client = new RawClient(front).send(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`)
    expect(await client.receives('\r\n\r\n')).toBe(answer)
    expect(await client.send(get).receives('next')).toBe(answer + ok('next'))
    expect(connections).toBe(1)
  })
})

describe('a response', () => {
  it('is the same bytes when there is nothing to strip, trailers included', async () => {
    const answer =
      'HTTP/1.1 200 Fine\r\nSERVER: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n'
    const port = await rawBackend((socket) => answering(socket, answer))
    const { port: front } = await gateway(port)
    const client = new RawClient(front).send(get)
    expect(await client.receives('X-Sum: 1\r\n\r\n')).toBe(answer)
  })

  it('that comes before the request is complete is passed on, and both connections end', async () => {
    const closed: number[] = []
    const port = await rawBackend((socket, index) => {
      socket.once('data', () => socket.write('HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno'))
      socket.on('end', () => closed.push(index))
    })
    const { port: front } = await gateway(port)
    const client = new RawClient(front).send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc')
    expect(await client.ends()).toBe('HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno')
    await until(() => closed.length === 1)
  })

  it('may stream while the request still does', async () => {
    const port = await nodeBackend((req, res) => {
      req.on('data', (chunk) => res.write(chunk))
      req.on('end', () => res.end('.'))
    })
    const { port: front } = await gateway(port)
    const client = new RawClient(front).send(
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n',
    )
    await client.receives('one')
    await client.send('3\r\ntwo\r\n').receives('two')
    expect(await client.send('0\r\n\r\n').receives('0\r\n\r\n')).toContain('1\r\n.\r\n')
  })

  it('of 1xx passes through, and 100 only comes from the backend', async () => {
    const port = await nodeBackend((_req, res) => res.end())
    const early = await rawBackend((socket) => {
      socket.once('data', (bytes: Buffer) => {
        socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n')
        if (bytes.includes('100-continue')) {
          socket.once('data', (body: Buffer) => socket.write(ok(`got ${body.toString()}`)))
          socket.write('HTTP/1.1 100 Continue\r\n\r\n')
        }
      })
    })
    expect(port).not.toBe(early)
    const { port: front } = await gateway(early)
    const client = new RawClient(front).send(
      'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n',
    )
    expect(await client.receives('100 Continue\r\n\r\n')).toBe(
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n',
    )
    expect(await client.send('body').receives('got body')).toContain(ok('got body'))
  })

  it.each([
    ['Content-Length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n'],
    ['a head that is too large', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`],
    ['a 101 that nobody asked for', 'HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'],
    ['another protocol', '220 smtp.example ESMTP\r\n'],
    ['a broken first chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
  ])('with %s becomes 502', async (_name, answer) => {
    const port = await rawBackend((socket) => answering(socket, answer))
    const { port: front } = await gateway(port)
    const client = new RawClient(front).send(get)
    expect(await client.receives('}')).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n.*PROXY_BACKEND_PROTOCOL/s)
  })

  it('that breaks off is broken off towards the client', async () => {
    const port = await rawBackend((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this'))
    })
    const { port: front } = await gateway(port)
    const client = new RawClient(front).send(get)
    await until(() => client.closed)
    expect(client.ended).toBe(false)
  })

  it('with more than it said costs the backend its connection, and the surplus goes nowhere', async () => {
    let connections = 0
    const port = await rawBackend((socket) => {
      connections++
      answering(socket, `${ok('first')}HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned`)
    })
    const { port: front } = await gateway(port)
    const client = new RawClient(front).send(get)
    await client.receives('first')
    expect(await client.send(get).receives(/first.*first/s)).not.toContain('poisoned')
    expect(connections).toBe(2)
  })
})

describe('telemetry headers', () => {
  it('are added on request', async () => {
    const port = await nodeBackend((_req, res) => res.end('x'))
    const { port: front } = await gateway(port, { telemetryHeaders: true })
    const received = await new RawClient(front).send(get).receives(/\r\n\r\nx/)
    expect(received).toMatch(/\r\nX-Proxy-Session: \S+\r\nX-Proxy-Key: a\r\nX-Proxy-Duration-Ms: [\d.]+\r\n/)
  })
})

describe('answers without a backend', () => {
  it('may be the same for everyone', async () => {
    const { port: front, dials } = await gateway(1, { directResponse: { body: 'hello', status: 201 } })
    const client = new RawClient(front).send(get + get)
    expect(await client.receives(/hello.*hello/s)).toMatch(/^HTTP\/1\.1 201 Created\r\n.*content-length: 5\r\n/s)
    expect(dials).toEqual([])
  })

  it('may come from a hook, at once or later, and only where the hook wants', async () => {
    const port = await nodeBackend((req, res) => {
      let body = ''
      req.on('data', (chunk) => {
        body += chunk
      })
      req.on('end', () => res.end(`backend got ${body}.`))
    })
    const { port: front } = await gateway(port, {
      onRequest: ({ method, target, headers, host }) => {
        if (target === '/now') return { body: `${method} ${host} ${JSON.stringify(headers)}` }
        if (target === '/later') return Promise.resolve({ status: 418, headers: { 'X-A': 'b\r\nc' } })
        return target === '/fail' ? Promise.reject(new Error('10.0.0.1')) : Promise.resolve(undefined)
      },
    })
    const client = new RawClient(front)
    client.send('GET /now HTTP/1.1\r\nHost: A\r\nX-B: c\r\n\r\n')
    await client.receives('GET a [["host","A"],["x-b","c"]]')
    expect(await client.send('GET /later HTTP/1.1\r\nHost: a\r\n\r\n').receives('418')).toContain('x-a: b  c\r\n')
    expect(await client.send('GET /fail HTTP/1.1\r\nHost: a\r\n\r\n').receives('PROXY_INTERNAL')).not.toContain('10.0')
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc')
    await client.receives('backend got abc.')
  })
})

/** 256 MiB by default; `HTTP_BIG_MIB=1024` for the whole gigabyte. */
const mib = Number(process.env['HTTP_BIG_MIB'] ?? 256)

describe(`${mib} MiB`, () => {
  const block = Buffer.alloc(1024 * 1024, 'The quick brown fox. ')
  const expected = createHash('sha256')
  for (let i = 0; i < mib; i++) expected.update(block)
  const sum = expected.digest('hex')

  it('up and down, with equal checksums and flat memory', { timeout: 300_000 }, async () => {
    const port = await nodeBackend((req, res) => {
      const hash = createHash('sha256')
      req.on('data', (chunk: Buffer) => hash.update(chunk))
      req.on('end', () => {
        res.setHeader('x-sum', hash.digest('hex'))
        let left = mib
        const more = (): void => {
          while (left-- > 0) if (!res.write(block)) return
          res.end()
        }
        res.on('drain', more)
        more()
      })
    })
    const { port: front } = await gateway(port)
    const before = process.memoryUsage().rss
    let most = before
    const hash = createHash('sha256')
    const uploaded = await new Promise<string | undefined>((resolve, reject) => {
      const sent = request({ port: front, host: '127.0.0.1', method: 'POST', headers: { host: 'a' } }, (res) => {
        res.on('data', (chunk: Buffer) => {
          hash.update(chunk)
          most = Math.max(most, process.memoryUsage.rss())
        })
        res.on('end', () => resolve(res.headers['x-sum'] as string))
        res.on('error', reject)
      })
      sent.on('error', reject)
      let left = mib
      const more = (): void => {
        while (left-- > 0) if (!sent.write(block)) return
        sent.end()
      }
      sent.on('drain', more)
      more()
    })
    expect(uploaded).toBe(sum)
    expect(hash.digest('hex')).toBe(sum)
    expect(most - before).toBeLessThan(150 * 1024 * 1024)
  })
})
