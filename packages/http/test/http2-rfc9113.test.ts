import { describe, expect, it } from 'vitest'
import { type Frame, Frames } from './frames.ts'
import { answering, gateway, nodeBackend, ok, rawBackend, until } from './setting.ts'

const get = '\x82\x86\x84\x41\x01a'
const post = '\x83\x86\x84\x41\x01a'
const settings = (id: number, value: number): string => {
  const bytes = Buffer.alloc(6)
  bytes.writeUInt16BE(id, 0)
  bytes.writeUInt32BE(value, 2)
  return bytes.toString('latin1')
}
const literal = (name: string, value: string): string =>
  `\0${String.fromCharCode(name.length)}${name}${String.fromCharCode(value.length)}${value}`

type Send = (frames: Frames) => void
const send =
  (...all: readonly (readonly [type: number, flags: number, stream: number, payload: string])[]): Send =>
  (frames) => {
    for (const [type, flags, stream, payload] of all) frames.frame(type, flags, stream, payload)
  }

async function front(): Promise<number> {
  const port = await rawBackend((socket) => answering(socket, ok('good')))
  return (await gateway(port, { h2c: true })).port
}

const find = (frames: Frames, type: number, stream: number): Frame | undefined =>
  frames.received.find((frame) => frame.type === type && frame.stream === stream)

const codeOf = (frame: Frame | undefined, at: number): number | undefined => frame?.payload.readUInt32BE(at)

describe('errors of the connection end it with GOAWAY', () => {
  it.each<[string, number, Send]>([
    ['DATA on stream 0 (6.1)', 1, send([0, 0, 0, 'x'])],
    ['DATA on an idle stream (5.1)', 1, send([0, 0, 1, 'x'])],
    ['padding longer than the frame (6.1)', 1, send([1, 4, 1, post], [0, 8, 1, '\x05ab'])],
    ['HEADERS on stream 0 (6.2)', 1, send([1, 5, 0, get])],
    ['HEADERS on an even stream (5.1.1)', 1, send([1, 5, 2, get])],
    ['padding longer than HEADERS (6.2)', 1, send([1, 13, 1, '\xff' + get])],
    ['a number lower than one before (5.1.1)', 5, send([1, 5, 5, get], [1, 5, 3, get])],
    ['another frame within a header block (6.10)', 1, send([1, 1, 1, get], [6, 0, 0, '12345678'])],
    ['CONTINUATION of another stream (6.10)', 1, send([1, 1, 1, get], [9, 4, 3, ''])],
    ['CONTINUATION of nothing (6.10)', 1, send([9, 4, 1, ''])],
    ['a broken header block (4.3)', 9, send([1, 5, 1, '\x82\xff\xff\xff\xff\xff\xff'])],
    ['PRIORITY on stream 0 (6.3)', 1, send([2, 0, 0, '\0\0\0\0\0'])],
    ['RST_STREAM on an idle stream (6.4)', 1, send([3, 0, 1, '\0\0\0\x08'])],
    ['RST_STREAM on stream 0 (6.4)', 1, send([3, 0, 0, '\0\0\0\x08'])],
    ['RST_STREAM of 3 bytes (6.4)', 6, send([1, 4, 1, post], [3, 0, 1, '\0\0\x08'])],
    ['SETTINGS on a stream (6.5)', 1, send([4, 0, 1, ''])],
    ['SETTINGS of 5 bytes (6.5)', 6, send([4, 0, 0, '12345'])],
    ['an acknowledgement that says something (6.5)', 6, send([4, 1, 0, settings(3, 1)])],
    ['ENABLE_PUSH of 2 (6.5.2)', 1, send([4, 0, 0, settings(2, 2)])],
    ['INITIAL_WINDOW_SIZE of 2^31 (6.5.2)', 3, send([4, 0, 0, settings(4, 0x80000000)])],
    ['MAX_FRAME_SIZE of 16,383 (6.5.2)', 1, send([4, 0, 0, settings(5, 16_383)])],
    ['MAX_FRAME_SIZE of 2^24 (6.5.2)', 1, send([4, 0, 0, settings(5, 1 << 24)])],
    ['PUSH_PROMISE (8.4)', 1, send([5, 4, 1, '\0\0\0\x02'])],
    ['PING on a stream (6.7)', 1, send([6, 0, 1, '12345678'])],
    ['PING of 7 bytes (6.7)', 6, send([6, 0, 0, '1234567'])],
    ['GOAWAY on a stream (6.8)', 1, send([7, 0, 1, '\0\0\0\0\0\0\0\0'])],
    ['WINDOW_UPDATE of 3 bytes (6.9)', 6, send([8, 0, 0, '\0\0\x01'])],
    ['WINDOW_UPDATE by 0 (6.9)', 1, send([8, 0, 0, '\0\0\0\0'])],
    ['WINDOW_UPDATE on an idle stream (5.1)', 1, send([8, 0, 1, '\0\0\0\x01'])],
    ['a window of more than 2^31-1 (6.9.1)', 3, send([8, 0, 0, '\x7f\xff\xff\xff'], [8, 0, 0, '\x7f\xff\xff\xff'])],
    ['too many CONTINUATIONs (10.5)', 11, (frames) => flood(frames, 40)],
  ])('%s', async (_name, code, act) => {
    const frames = new Frames(await front())
    act(frames)
    await frames.client.ends()
    expect(codeOf(find(frames, 7, 0), 4)).toBe(code)
  })

  it('a first frame that is not SETTINGS (3.4)', async () => {
    const frames = new Frames(await front(), false)
    frames.frame(6, 0, 0, '12345678')
    await frames.client.ends()
    expect(codeOf(find(frames, 7, 0), 4)).toBe(1)
  })
})

function flood(frames: Frames, count: number): void {
  frames.frame(1, 1, 1, get)
  for (let i = 0; i < count; i++) frames.frame(9, 0, 1, '')
}

describe('errors of a stream reset it and nothing else', () => {
  it.each<[string, number, Send]>([
    ['WINDOW_UPDATE by 0 (6.9)', 1, send([1, 4, 1, post], [8, 0, 1, '\0\0\0\0'])],
    ['a window of more than 2^31-1 (6.9.1)', 3, send([1, 4, 1, post], [8, 0, 1, '\x7f\xff\xff\xff'])],
    ['a stream that depends on itself (RFC 7540, 5.3.1)', 1, send([1, 4, 1, post], [2, 0, 1, '\0\0\0\x01\0'])],
    ['PRIORITY of 4 bytes (6.3)', 6, send([1, 4, 1, post], [2, 0, 1, '\0\0\0\0'])],
    ['an upper-case name (8.2.1)', 1, send([1, 5, 1, get + literal('X-A', 'b')])],
    ['a name with a space (8.2.1)', 1, send([1, 5, 1, get + literal('x a', 'b')])],
    ['a name with a colon (8.2.1)', 1, send([1, 5, 1, get + literal('x:a', 'b')])],
    ['a value with CR LF (8.2.1)', 1, send([1, 5, 1, get + literal('x-a', 'b\r\nc: d')])],
    ['a value with NUL (8.2.1)', 1, send([1, 5, 1, get + literal('x-a', 'b\0')])],
    ['a value that begins with a space (8.2.1)', 1, send([1, 5, 1, get + literal('x-a', ' b')])],
    ['Connection (8.2.2)', 1, send([1, 5, 1, get + literal('connection', 'close')])],
    ['Transfer-Encoding (8.2.2)', 1, send([1, 4, 1, post + literal('transfer-encoding', 'chunked')])],
    ['Upgrade (8.2.2)', 1, send([1, 5, 1, get + literal('upgrade', 'h2c')])],
    ['Keep-Alive (8.2.2)', 1, send([1, 5, 1, get + literal('keep-alive', '1')])],
    ['Proxy-Connection (8.2.2)', 1, send([1, 5, 1, get + literal('proxy-connection', 'close')])],
    ['TE other than trailers (8.2.2)', 1, send([1, 5, 1, get + literal('te', 'gzip')])],
    ['an unknown pseudo-header field (8.3)', 1, send([1, 5, 1, get + literal(':test', 'a')])],
    ['one of a response (8.3)', 1, send([1, 5, 1, get + '\x88'])],
    ['one behind others (8.3)', 1, send([1, 5, 1, `\x82\x86${literal('x-a', 'b')}\x84\x41\x01a`])],
    ['one that is there twice (8.3.1)', 1, send([1, 5, 1, get + '\x84'])],
    ['no method (8.3.1)', 1, send([1, 5, 1, '\x86\x84'])],
    ['no scheme (8.3.1)', 1, send([1, 5, 1, '\x82\x84'])],
    ['no path (8.3.1)', 1, send([1, 5, 1, '\x82\x86'])],
    ['an empty path (8.3.1)', 1, send([1, 5, 1, `\x82\x86\x41\x01a${literal(':path', '')}`])],
    ['CONNECT with a path (8.5)', 1, send([1, 5, 1, literal(':method', 'CONNECT') + '\x84\x41\x01a'])],
    ['two Hosts', 1, send([1, 5, 1, get + literal('host', 'a') + literal('host', 'a')])],
    ['two lengths', 1, send([1, 4, 1, post + literal('content-length', '1') + literal('content-length', '1')])],
    ['a length that is none', 1, send([1, 4, 1, post + literal('content-length', '+1')])],
    ['a length without a body (8.1.1)', 1, send([1, 5, 1, post + literal('content-length', '1')])],
    ['more than the length (8.1.1)', 1, send([1, 4, 1, post + literal('content-length', '1')], [0, 1, 1, 'ab'])],
    ['less than the length (8.1.1)', 1, send([1, 4, 1, post + literal('content-length', '3')], [0, 1, 1, 'ab'])],
    ['trailers that do not end the stream (8.1)', 1, send([1, 4, 1, post], [1, 4, 1, literal('x-a', 'b')])],
    ['trailers with a pseudo-header field (8.1)', 1, send([1, 4, 1, post], [1, 5, 1, '\x84'])],
    ['trailers before the length is reached', 1, send([1, 4, 1, post + literal('content-length', '3')], [1, 5, 1, ''])],
    ['DATA behind the end (5.1)', 5, send([1, 5, 1, get], [0, 0, 1, 'x'])],
  ])('%s', async (_name, code, act) => {
    const frames = new Frames(await front())
    act(frames)
    frames.headers(3, 5)
    await until(() => find(frames, 0, 3) !== undefined)
    await until(() => find(frames, 3, 1) !== undefined)
    expect(codeOf(find(frames, 3, 1), 0)).toBe(code)
    expect(find(frames, 7, 0)).toBeUndefined()
  })

  it.each<[string, number, string]>([
    ['431: a head that is larger than is allowed', 431, get + literal('x-a', 'b'.repeat(120)).repeat(110)],
    ['431: more fields than are allowed', 431, get + '\x84'.replace('\x84', literal('a', 'b')).repeat(130)],
    ['400: a length in disguise', 400, get + literal('content_length', '5')],
    ['400: a target that is none', 400, '\x82\x86\x41\x01a' + literal(':path', 'x y')],
  ])('or are answered with %s', async (_name, status, block) => {
    const frames = new Frames(await front())
    frames.frame(1, 1, 1, block.slice(0, 10))
    frames.frame(9, 4, 1, block.slice(10))
    frames.headers(3, 5)
    await until(() => find(frames, 0, 3) !== undefined && find(frames, 1, 1) !== undefined)
    // The status is the first field, in a literal unless the table has it.
    const { payload } = find(frames, 1, 1)!
    expect(status === 400 ? payload[0] : payload.toString('latin1', 1, 5)).toBe(status === 400 ? 0x8c : '\x03431')
  })
})

describe('flow control (5.2)', () => {
  it('keeps to the windows of streams and connection, and to changes of them', async () => {
    const port = await nodeBackend((_req, res) => res.end('x'.repeat(100)))
    const { port: at } = await gateway(port, { h2c: true })
    const frames = new Frames(at)
    frames.frame(4, 0, 0, settings(4, 10))
    frames.headers(1, 5)
    const bytes = (): number =>
      frames.received.filter(({ type }) => type === 0).reduce((sum, { payload }) => sum + payload.length, 0)
    await until(() => bytes() === 10)
    frames.frame(8, 0, 1, '\0\0\0\x05')
    await until(() => bytes() === 15)
    frames.frame(4, 0, 0, settings(4, 20))
    await until(() => bytes() === 25)
    // Below zero: nothing until the client has given back more than that.
    frames.frame(4, 0, 0, settings(4, 5))
    frames.frame(8, 0, 1, '\0\0\0\x0f')
    frames.frame(6, 0, 0, '12345678')
    await until(() => find(frames, 6, 0) !== undefined)
    expect(bytes()).toBe(25)
    frames.frame(8, 0, 1, '\0\0\x01\0')
    await until(() => bytes() === 100)
    expect(frames.received.findLast(({ type }) => type === 0)?.flags).toBe(1)
  })

  it('resets a stream that sends more than it may, and takes no more of it than that (6.9.1)', async () => {
    // Nobody takes the body.
    const { port } = await gateway(1, { h2c: true, onRequest: () => new Promise(() => {}) })
    const frames = new Frames(port)
    frames.frame(1, 4, 1, post)
    // 20 times 16 KiB are more than the window of a stream, and less than that of the connection.
    for (let i = 0; i < 20; i++) frames.frame(0, 0, 1, 'x'.repeat(16_384))
    await until(() => find(frames, 3, 1) !== undefined)
    expect(codeOf(find(frames, 3, 1), 0)).toBe(3)
    expect(find(frames, 7, 0)).toBeUndefined()
  })

  it('gives back what was sent on streams that are over', async () => {
    const at = await front()
    const frames = new Frames(at)
    // 160 times 16 KiB are more than the window of the connection.
    for (let id = 1; id < 320; id += 2) {
      frames.frame(1, 4, id, post)
      frames.frame(0, 1, id, 'x'.repeat(16_384))
      await until(() => frames.received.some(({ type, stream }) => (type === 0 || type === 3) && stream === id))
    }
    expect(find(frames, 7, 0)).toBeUndefined()
  })
})

describe('flow control of streams that are reset', () => {
  it('gives back the DATA that was wrong, so that the others go on', async () => {
    // Nobody is answered before the DATA is there.
    const { port } = await gateway(1, { h2c: true, onRequest: () => new Promise(() => {}) })
    const frames = new Frames(port)
    // 90 times 16 KiB are more than the window of the connection.
    for (let id = 1; id < 180; id += 2) {
      frames.frame(1, 4, id, post + literal('content-length', '1'))
      frames.frame(0, 0, id, 'x'.repeat(16_384))
      await until(() => find(frames, 3, id) !== undefined || find(frames, 7, 0) !== undefined)
    }
    expect(find(frames, 7, 0)).toBeUndefined()
  })
})

describe('cookies that came in several fields', () => {
  it('go to the backend in one (8.2.3)', async () => {
    const port = await nodeBackend((req, res) => res.end(req.rawHeaders.filter((_, i) => i % 2 === 1).join('|')))
    const { port: at } = await gateway(port, { h2c: true })
    const frames = new Frames(at)
    frames.frame(1, 5, 1, get + literal('cookie', 'a=1') + literal('x-a', 'b') + literal('cookie', 'c=2'))
    await until(() => find(frames, 0, 1) !== undefined)
    expect(find(frames, 0, 1)?.payload.toString()).toContain('|a=1; c=2|')
  })
})

describe('noise', () => {
  it('of every kind ends in an error or in nothing, and others are served', async () => {
    const at = await front()
    let seed = 42
    const next = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff
      return (seed >>> 8) % below
    }
    for (let i = 0; i < 150; i++) {
      const frames = new Frames(at)
      for (let j = next(30); j > 0; j--) {
        const noise = Array.from({ length: next(60) }, () => String.fromCharCode(next(256))).join('')
        frames.frame(next(11), next(64), next(3) === 0 ? next(40) : 2 * j + 1, next(2) === 0 ? noise : get + noise)
      }
      if (i % 3 === 0) frames.client.send('\0\0\x05\0')
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
      frames.client.socket.end()
    }
    const frames = new Frames(at)
    frames.headers(1, 5)
    await until(() => find(frames, 0, 1) !== undefined)
    expect(find(frames, 0, 1)?.payload.toString()).toBe('good')
  })
})
