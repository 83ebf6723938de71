import { arbitrarySplits, everySplit } from '@proxy/testkit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  body,
  capture,
  captured,
  documentOf,
  int32,
  message,
  messagesOf,
  query,
  sequence,
} from './__fixtures__/streams.ts'
import { commands, isHello } from './commands.ts'
import { Pinned } from './pinned.ts'
import { answer, type Request } from './refusals.ts'
import { Names } from './scan.ts'

/** What a pinned connection sends where. */
class Port {
  backend: Buffer = Buffer.alloc(0)
  client: Buffer = Buffer.alloc(0)
  ended: string | undefined = undefined

  toBackend(bytes: Buffer): void {
    this.backend = Buffer.concat([this.backend, bytes])
  }

  toClient(bytes: Buffer): void {
    this.client = Buffer.concat([this.client, bytes])
  }

  end(reason: string, last?: Buffer): void {
    if (last !== undefined) this.toClient(last)
    this.ended ??= reason
  }
}

const described = Buffer.from(body({ isWritablePrimary: true, ok: 1 }).subarray(1))

function pinned(sessions = true): Pinned {
  return new Pinned({
    names: new Names(commands),
    client: '192.0.2.1:4711',
    sessions,
    allows: (database) => ['alpha', 'admin'].includes(database),
    hello: (_command, request: Request) => answer(described, request),
  })
}

function play(pieces: readonly Buffer[], subject: Pinned = pinned()): Port {
  const port = new Port()
  for (const piece of pieces) if (piece.length > 0) subject.fromClient(Buffer.from(piece), port)
  return port
}

const find = message({ find: 't', $db: 'alpha' }, { requestId: 1 })
const other = message({ find: 't', $db: 'beta' }, { requestId: 2 })
const hello = message({ hello: 1, $db: 'admin' }, { requestId: 3 })
const replies = (port: Port) => messagesOf(port.client).map(documentOf)

describe('what clients really send goes on as it is, all but hello', () => {
  test.each(captured)('%s, cut at every byte', (name) => {
    const stream = capture(name)
    const legacy = (bytes: Buffer): boolean => bytes.readInt32LE(12) === 2004
    const isPassed = (bytes: Buffer): boolean => !legacy(bytes) && !isHello(commandOf(bytes))
    const messages = messagesOf(stream)
    const passed = Buffer.concat(messages.filter(isPassed))
    for (const pieces of everySplit(stream)) {
      const port = play(pieces)
      expect(port.backend.equals(passed)).toBe(true)
      expect(messagesOf(port.client)).toHaveLength(messages.filter((bytes) => !isPassed(bytes)).length)
      expect(port.ended).toBeUndefined()
    }
    const bytewise = play([...stream].map((byte) => Buffer.of(byte)))
    expect(bytewise.backend.equals(passed)).toBe(true)
  })
})

const commandOf = (bytes: Buffer): string => Object.keys(documentOf(bytes))[0]!

describe('is answered here', () => {
  test.each<[string, Buffer, number]>([
    ['a database of another tenant', other, 13],
    ['the state of the replica set', message({ replSetGetStatus: 1, $db: 'admin' }), 115],
    ['the shards', message({ listShards: 1, $db: 'admin' }), 115],
    ['X.509', message({ authenticate: 1, mechanism: 'MONGODB-X509', $db: '$external' }), 18],
    ['OP_QUERY', query({ find: 't' }), 352],
  ])('%s', (_name, bytes, code) => {
    for (const pieces of everySplit(Buffer.concat([find, bytes, find]))) {
      const port = play(pieces)
      expect(port.backend.equals(Buffer.concat([find, find]))).toBe(true)
      expect(replies(port)).toMatchObject([{ ok: 0, code }])
      expect(port.ended).toBeUndefined()
    }
  })

  test('the address of the client', () => {
    expect(replies(play([message({ whatsmyuri: 1, $db: 'admin' })]))).toMatchObject([{ you: '192.0.2.1:4711', ok: 1 }])
  })

  test('a transaction number that the backend does not know', () => {
    const insert = message({ insert: 't', txnNumber: 1n, $db: 'alpha' })
    expect(replies(play([insert], pinned(false)))).toMatchObject([{ ok: 0, code: 20 }])
    expect(play([insert], pinned(true)).backend.equals(insert)).toBe(true)
  })

  test('with a reply to the request, and none when the client waits for none', () => {
    expect(messagesOf(play([other]).client)[0]!.readInt32LE(8)).toBe(2)
    expect(play([message({ find: 't', $db: 'beta' }, { flags: 2 })]).client).toHaveLength(0)
  })
})

describe('a message for another tenant that is only found out at its end', () => {
  const large = Buffer.alloc(100_000, 'x').toString()
  const sections = [sequence('documents', [{ large }]), body({ insert: 't', $db: 'beta' })]
  const late = message({}, { sections, requestId: 9 })

  test('is never finished', () => {
    const pieces = [late.subarray(0, 50_000), late.subarray(50_000, late.length - 5), late.subarray(late.length - 5)]
    const port = play(pieces)
    expect(port.ended).toBe('error')
    expect(replies(port)).toMatchObject([{ ok: 0, code: 13 }])
    expect(port.backend.length).toBeLessThan(late.length)
    expect(port.backend.equals(late.subarray(0, port.backend.length))).toBe(true)
  })

  test('is dropped when it came at once', () => {
    const port = play([late, find])
    expect(port.ended).toBeUndefined()
    expect(port.backend.equals(find)).toBe(true)
  })

  test('of our own tenant it goes on before it is there as a whole', () => {
    const own = message({}, { sections: [sections[0]!, body({ insert: 't', $db: 'alpha' })] })
    const subject = pinned()
    expect(play([own.subarray(0, 50_000)], subject).backend.length).toBe(50_000)
    expect(play([own.subarray(50_000)], subject).backend.length).toBe(own.length - 50_000)
  })
})

describe('answers are put between those of the backend', () => {
  const reply = (responseTo: number, flags = 0): Buffer => message({ ok: 1 }, { responseTo, flags })

  test('whatever pieces it comes in', () => {
    const stream = Buffer.concat([reply(1), reply(1)])
    for (const [head, tail] of everySplit(stream)) {
      const [subject, port] = [pinned(), new Port()]
      subject.fromClient(Buffer.concat([find, find]), port)
      if (head.length > 0) subject.fromBackend(Buffer.from(head), port)
      subject.fromClient(Buffer.from(hello), port)
      if (tail.length > 0) subject.fromBackend(Buffer.from(tail), port)
      const received = messagesOf(port.client)
      expect(received).toHaveLength(3)
      expect(received.filter((bytes) => bytes.equals(reply(1)))).toHaveLength(2)
      expect(received.map((bytes) => bytes.readInt32LE(8))).toContain(3)
    }
  })

  test('and those are left as they are', () => {
    const stream = Buffer.concat([reply(1), message({ cursor: Buffer.alloc(5_000) }), reply(2, 2), reply(3)])
    fc.assert(
      fc.property(arbitrarySplits(stream), (pieces) => {
        const [subject, port] = [pinned(), new Port()]
        for (const piece of pieces) if (piece.length > 0) subject.fromBackend(Buffer.from(piece), port)
        expect(port.client.equals(stream)).toBe(true)
      }),
    )
  })

  test('a backend that sends no messages is given up', () => {
    expect(() => pinned().fromBackend(Buffer.from('HTTP/1.1 400 Bad Request\r\n'), new Port())).toThrow()
    expect(() => pinned().fromBackend(int32(5), new Port())).toThrow()
  })

  test('a client that asks without end while the backend is in the middle of a message is given up', () => {
    const [subject, port] = [pinned(), new Port()]
    subject.fromBackend(reply(1).subarray(0, 30), port)
    for (let i = 0; i < 2_000 && port.ended === undefined; i++) subject.fromClient(Buffer.from(hello), port)
    expect(port.ended).toBe('error')
  })
})

describe('draining', () => {
  const reply = message({ ok: 1 }, { responseTo: 1 })
  const more = message({ ok: 1 }, { responseTo: 1, flags: 2 })

  test('a session is quiet when every request was answered', () => {
    const [subject, port] = [pinned(), new Port()]
    expect(subject.quiet()).toBe(true)
    subject.fromClient(Buffer.from(find), port)
    expect(subject.quiet()).toBe(false)
    subject.fromBackend(Buffer.from(more), port)
    expect(subject.quiet()).toBe(false)
    subject.fromBackend(Buffer.from(reply.subarray(0, 30)), port)
    expect(subject.quiet()).toBe(false)
    subject.fromBackend(Buffer.from(reply.subarray(30)), port)
    expect(subject.quiet()).toBe(true)
  })

  test('an answer that goes on is told from the last one, wherever its header is cut', () => {
    for (const [bytes, quiet] of [
      [more, false],
      [reply, true],
    ] as const) {
      for (const pieces of everySplit(bytes)) {
        const [subject, port] = [pinned(), new Port()]
        subject.fromClient(Buffer.from(find), port)
        for (const piece of pieces) if (piece.length > 0) subject.fromBackend(Buffer.from(piece), port)
        expect(subject.quiet()).toBe(quiet)
      }
    }
  })

  test('half a request is no quiet, and a request without an answer is none that is waited for', () => {
    const [subject, port] = [pinned(), new Port()]
    subject.fromClient(Buffer.from(find.subarray(0, 20)), port)
    expect(subject.quiet()).toBe(false)
    subject.fromClient(Buffer.from(find.subarray(20)), port)
    subject.fromBackend(Buffer.from(reply), port)
    subject.fromClient(message({ insert: 't', $db: 'alpha' }, { flags: 2 }), port)
    expect(subject.quiet()).toBe(true)
  })

  test('the request under way is told 91, unless an answer has begun', () => {
    const [subject, port] = [pinned(), new Port()]
    expect(subject.goodbye()).toBeUndefined()
    subject.fromClient(message({ insert: 't', txnNumber: 1n, $db: 'alpha' }, { requestId: 5 }), port)
    const goodbye = Buffer.from(subject.goodbye()!)
    expect(goodbye.readInt32LE(8)).toBe(5)
    expect(documentOf(goodbye)).toMatchObject({ ok: 0, code: 91, errorLabels: ['RetryableWriteError'] })
    subject.fromBackend(Buffer.from(reply.subarray(0, 25)), port)
    expect(subject.goodbye()).toBeUndefined()
  })
})

test('what is no message gets an error and ends the session', () => {
  const broken = Buffer.from(find)
  broken.writeInt32LE(1 << 4, 16)
  const port = play([find, broken])
  expect(port.ended).toBe('error')
  expect(port.backend.equals(find) || port.backend.length === 0).toBe(true)
})
