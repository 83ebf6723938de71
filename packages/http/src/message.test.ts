import { createServer, request as nodeRequest, type Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import fc from 'fast-check'
import { everySplit, mutated } from '@proxy/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MessageHead, parseRequest, parseResponse } from './message.ts'
import { CONNECTION, HOST } from './names.ts'

const head = new MessageHead()

function request(text: string): number {
  const bytes = Buffer.from(text, 'latin1')
  return parseRequest(head, bytes, 0, bytes.length)
}

function response(text: string): number {
  const bytes = Buffer.from(text, 'latin1')
  return parseResponse(head, bytes, 0, bytes.length)
}

describe('a request head', () => {
  const text =
    'POST /a/b?c=d HTTP/1.1\r\nHost: Example.org:80\r\nX-Empty:\r\nX-Spaces: \t a b \t \r\nContent-Length: 12\r\nConnection: keep-alive, X-Empty\r\n\r\n'

  it('is read with its fields, framing and connection options', () => {
    const bytes = Buffer.from(`${text}body`, 'latin1')
    expect(parseRequest(head, bytes, 0, bytes.length)).toBe(text.length)
    expect(bytes.toString('latin1', head.start, head.methodEnd)).toBe('POST')
    expect(bytes.toString('latin1', head.targetStart, head.targetEnd)).toBe('/a/b?c=d')
    expect(head.values(bytes, HOST)).toEqual(['Example.org:80'])
    expect([head.name(bytes, 2), head.value(bytes, 2)]).toEqual(['X-Spaces', 'a b'])
    expect([head.contentLength, head.chunked, head.minor]).toEqual([12, false, 1])
    expect([head.keepAlive, head.close, head.named]).toEqual([true, false, ['x-empty']])
    expect(head.has(CONNECTION)).toBe(true)
  })

  it('needs more bytes at every offset before its end, and never fails there', () => {
    for (const [first] of everySplit(text)) {
      const verdict = parseRequest(head, first, 0, first.length)
      expect(verdict).toBe(first.length === text.length ? text.length : 0)
    }
  })

  it('may follow one empty line', () => {
    expect(request(`\r\n${text}`)).toBe(text.length + 2)
    expect(request('\r')).toBe(0)
    expect(request(`\r\n\r\n${text}`)).toBe(-400)
  })

  it('is limited in its number of fields', () => {
    expect(request(`GET / HTTP/1.1\r\nHost: a\r\n${'a: b\r\n'.repeat(300)}\r\n`)).toBe(-431)
  })
})

const get = 'GET / HTTP/1.1\r\nHost: a\r\n'

/** Bytes that two servers have been seen to read differently, or that are plainly no HTTP. */
const corpus: [string, string, number][] = [
  ['Content-Length and Transfer-Encoding', `${get}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
  ['Transfer-Encoding and Content-Length', `${get}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n`, 400],
  ['two lengths that differ', `${get}Content-Length: 5\r\nContent-Length: 6\r\n\r\n`, 400],
  ['two lengths that agree', `${get}Content-Length: 5\r\nContent-Length: 5\r\n\r\n`, 400],
  ['a list of lengths', `${get}Content-Length: 5, 5\r\n\r\n`, 400],
  ['a signed length', `${get}Content-Length: +5\r\n\r\n`, 400],
  ['a negative length', `${get}Content-Length: -1\r\n\r\n`, 400],
  ['a hexadecimal length', `${get}Content-Length: 0x5\r\n\r\n`, 400],
  ['an empty length', `${get}Content-Length:\r\n\r\n`, 400],
  ['a length with a space', `${get}Content-Length: 1 2\r\n\r\n`, 400],
  ['a length beyond every number', `${get}Content-Length: 99999999999999999999\r\n\r\n`, 400],
  ['Content_Length', `${get}Content_Length: 5\r\n\r\n`, 400],
  ['Transfer_Encoding', `${get}Transfer_Encoding: chunked\r\n\r\n`, 400],
  ['Transfer-Encoding: xchunked', `${get}Transfer-Encoding: xchunked\r\n\r\n`, 400],
  ['Transfer-Encoding: identity', `${get}Transfer-Encoding: identity\r\n\r\n`, 400],
  ['Transfer-Encoding: gzip, chunked', `${get}Transfer-Encoding: gzip, chunked\r\n\r\n`, 400],
  ['Transfer-Encoding: chunked, identity', `${get}Transfer-Encoding: chunked, identity\r\n\r\n`, 400],
  ['Transfer-Encoding: "chunked"', `${get}Transfer-Encoding: "chunked"\r\n\r\n`, 400],
  ['Transfer-Encoding: Chunked', `${get}Transfer-Encoding: Chunked\r\n\r\n`, 400],
  ['Transfer-Encoding with a vertical tab', `${get}Transfer-Encoding: \x0bchunked\r\n\r\n`, 400],
  ['two Transfer-Encodings', `${get}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
  ['Transfer-Encoding in HTTP/1.0', 'GET / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
  ['a space before the colon', `${get}Content-Length : 5\r\n\r\n`, 400],
  ['a tab before the colon', `${get}Content-Length\t: 5\r\n\r\n`, 400],
  ['a folded line', `${get}X-A: b\r\n c\r\n\r\n`, 400],
  ['a folded first line', 'GET / HTTP/1.1\r\n Host: a\r\n\r\n', 400],
  ['bare line feeds', 'GET / HTTP/1.1\nHost: a\n\n', 400],
  ['one bare line feed', `${get}X-A: b\n\r\n`, 400],
  ['a bare carriage return in a value', `${get}X-A: b\rContent-Length: 5\r\n\r\n`, 400],
  ['a bare carriage return in the target', 'GET /\r HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a bare line feed at the end', `${get}\n`, 400],
  ['a NUL in a value', `${get}X-A: b\0c\r\n\r\n`, 400],
  ['a NUL in a name', `${get}X\0A: b\r\n\r\n`, 400],
  ['a control character in a value', `${get}X-A: \x01\r\n\r\n`, 400],
  ['DEL in a value', `${get}X-A: \x7f\r\n\r\n`, 400],
  ['a name that is no token', `${get}X(A): b\r\n\r\n`, 400],
  ['an empty name', `${get}: b\r\n\r\n`, 400],
  ['a line without a colon', `${get}nonsense\r\n\r\n`, 400],
  ['a name beyond ASCII', `${get}X-\xe9: b\r\n\r\n`, 400],
  ['two Hosts', `${get}Host: b\r\n\r\n`, 400],
  ['no Host', 'GET / HTTP/1.1\r\nX-A: b\r\n\r\n', 400],
  ['Connection that names Host', `${get}Connection: Host\r\n\r\n`, 400],
  ['Connection that names Content-Length', `${get}Content-Length: 0\r\nConnection: close, content-length\r\n\r\n`, 400],
  ['two spaces behind the method', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a tab behind the method', 'GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a space in the target', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['two spaces before the version', 'GET /  HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a space behind the version', 'GET / HTTP/1.1 \r\nHost: a\r\n\r\n', 400],
  ['no version', 'GET /\r\nHost: a\r\n\r\n', 400],
  ['a version in lower case', 'GET / http/1.1\r\nHost: a\r\n\r\n', 400],
  ['HTTP/1.10', 'GET / HTTP/1.10\r\nHost: a\r\n\r\n', 400],
  ['HTTP/01.1', 'GET / HTTP/01.1\r\nHost: a\r\n\r\n', 400],
  ['HTTP/2.0', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', 505],
  ['HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', 505],
  ['a leading space', ' GET / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a method without end', 'A'.repeat(40), 400],
  ['a TLS ClientHello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ['a PROXY header', 'PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET / HTTP/1.1\r\n\r\n', 400],
]

describe('the smuggling corpus', () => {
  it.each(corpus)('%s', (_name, text, status) => {
    expect(request(text)).toBe(-status)
    expect(head.problem).not.toBe('')
  })
})

describe('a response head', () => {
  it('is read with its status and framing', () => {
    const text = 'HTTP/1.1 206 Partial\r\nTransfer-Encoding: Chunked\r\nConnection: close\r\n\r\n'
    expect(response(text)).toBe(text.length)
    expect([head.status, head.chunked, head.close]).toEqual([206, true, true])
    for (const [first] of everySplit(text)) {
      expect(parseResponse(head, first, 0, first.length)).toBe(first.length === text.length ? text.length : 0)
    }
  })

  it('may lack a reason, with or without the space before it', () => {
    expect(response('HTTP/1.1 200 \r\n\r\n')).toBe(17)
    expect(response('HTTP/1.0 200\r\n\r\n')).toBe(16)
  })

  it.each([
    [
      'Content-Length and Transfer-Encoding',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    ],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n'],
    ['another coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['a status below 100', 'HTTP/1.1 099 No\r\n\r\n'],
    ['a folded line', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n'],
    ['bare line feeds', 'HTTP/1.1 200 OK\nA: b\n\n'],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2p1\r\n\r\n'],
  ])('with %s is refused', (_name, text) => {
    expect(response(text)).toBeLessThan(0)
  })
})

/** Node's own parser, asked over a socket: did it take the bytes as exactly one request? */
async function nodeTakes(port: number, bytes: Buffer): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  socket.end(bytes)
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1')
  })
  socket.on('error', () => {})
  await once(socket, 'close')
  return answer.startsWith('HTTP/1.1 200')
}

describe('against the parser of node:http', () => {
  let server: Server
  let port: number
  beforeAll(async () => {
    server = createServer({ keepAlive: false }, (_request, answer) => answer.end('ok'))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  })
  afterAll(() => server.close())

  const samples = [
    `${get}X-A: b\r\n\r\n`,
    'POST /x?y HTTP/1.1\r\nHost: a:80\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
    'OPTIONS * HTTP/1.1\r\nAccept: */*\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ]

  it('takes nothing that the other refuses', async () => {
    await fc.assert(
      fc.asyncProperty(mutated(samples), async (bytes) => {
        const end = parseRequest(head, bytes, 0, bytes.length)
        if (end <= 0) return
        // Methods that Node does not know are still methods, and HTTP/1.1 knows more targets than its URLs.
        const method = bytes.toString('latin1', head.start, head.methodEnd)
        if (!['GET', 'POST', 'OPTIONS'].includes(method) || bytes[head.targetStart] !== 0x2f) return
        const target = bytes.toString('latin1', head.targetStart, head.targetEnd)
        if (/[\x80-\xff]/.test(target)) return
        if (head.chunked || head.contentLength > 0 || head.upgrade) return
        expect(await nodeTakes(port, bytes.subarray(0, end)), JSON.stringify(bytes.toString('latin1'))).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it('takes what a Node client sends', async () => {
    const seen = once(server, 'request')
    const sent = nodeRequest({
      port,
      host: '127.0.0.1',
      path: '/p?q=1',
      method: 'PUT',
      headers: { 'X-Mixed-Case': 'v' },
    })
    const raw: Buffer[] = []
    sent.on('socket', (socket) => {
      const write = socket.write.bind(socket)
      socket.write = (chunk: string) => {
        raw.push(Buffer.from(chunk, 'latin1'))
        return write(chunk, 'latin1')
      }
    })
    sent.end()
    await seen
    const bytes = Buffer.concat(raw)
    expect(parseRequest(head, bytes, 0, bytes.length)).toBe(bytes.length)
    expect(head.contentLength).toBe(0)
  })
})

describe('any bytes', () => {
  it('never make the parsers throw or read beyond them', () => {
    fc.assert(
      fc.property(mutated([get, 'HTTP/1.1 200 OK\r\nA: b\r\n\r\n']), (bytes) => {
        expect(parseRequest(head, bytes, 0, bytes.length)).toBeLessThanOrEqual(bytes.length)
        expect(parseResponse(head, bytes, 0, bytes.length)).toBeLessThanOrEqual(bytes.length)
      }),
      { numRuns: 2_000 },
    )
  })
})
