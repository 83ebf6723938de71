import assert from 'node:assert/strict'
import type { Duplex } from 'node:stream'
import type { Link } from '@proxy/kernel'
import type { Check } from '../check.ts'
import { pattern } from '../pattern.ts'
import { settle, until } from '../waiting.ts'
import { send } from './data-checks.ts'
import { Recorder } from './recorder.ts'
import { eachWay, type TransportSubject } from './subject.ts'

interface Reader {
  readonly bytes: Buffer
  readonly ended: boolean
  readonly closed: boolean
}

function read(duplex: Duplex): Reader {
  const chunks: Buffer[] = []
  let [ended, closed] = [false, false]
  duplex.on('data', (bytes: Buffer) => chunks.push(bytes))
  duplex.on('end', () => (ended = true))
  duplex.on('close', () => (closed = true))
  duplex.on('error', () => undefined)
  // A link is born paused, and so may its stream be.
  duplex.resume()
  return {
    get bytes() {
      return Buffer.concat(chunks)
    },
    get ended() {
      return ended
    },
    get closed() {
      return closed
    },
  }
}

/** The near end as a stream, the far end recorded. */
const asSocket = (
  subject: TransportSubject,
  unread: string | undefined,
  body: (duplex: Duplex, near: Link, far: Recorder) => Promise<void>,
): Promise<void> =>
  eachWay(subject, async (near, farLink) => {
    const far = new Recorder(farLink)
    far.write('hello')
    await settle()
    const duplex = near.socket(unread === undefined ? undefined : Buffer.from(unread))
    await body(duplex, near, far)
    duplex.destroy()
  })

/** Checks of `socket()`. */
export const socketChecks: readonly Check<TransportSubject>[] = [
  {
    name: 'socket() gives the stream, with the unread bytes in front',
    run: (subject) =>
      asSocket(subject, 'unread ', async (duplex, _near, far) => {
        const reader = read(duplex)
        await until(() => reader.bytes.length >= 12, 'the bytes on the socket')
        assert.equal(reader.bytes.toString(), 'unread hello')
        duplex.write('answer')
        assert.equal((await far.receives(6)).toString(), 'answer')
      }),
  },
  {
    name: 'socket() without unread bytes carries bulk both ways',
    run: (subject) =>
      asSocket(subject, undefined, async (duplex, _near, far) => {
        const reader = read(duplex)
        const bytes = pattern(1_000_000)
        duplex.write(bytes)
        await Promise.all([send(far, bytes), far.receives(bytes.length)])
        await until(() => reader.bytes.length === bytes.length + 5, 'the bytes on the socket')
        assert.ok(far.received.equals(bytes), 'the bytes are not those that were written to the socket')
        assert.ok(reader.bytes.subarray(5).equals(bytes), 'the bytes are not those that were sent to the socket')
      }),
  },
  {
    name: 'socket() half-closes both ways',
    run: (subject) =>
      asSocket(subject, undefined, async (duplex, _near, far) => {
        const reader = read(duplex)
        duplex.end('last')
        await far.ends()
        assert.equal(far.received.toString(), 'last')
        far.write(' and on')
        far.link.end()
        await until(() => reader.ended, 'the end of the socket')
        assert.equal(reader.bytes.toString(), 'hello and on')
      }),
  },
  {
    name: 'after socket() what is written to the link is sent, and may change then',
    run: (subject) =>
      asSocket(subject, undefined, async (_duplex, near, far) => {
        near.write('refused ')
        const bytes = Buffer.from('in the clear')
        near.write(bytes)
        bytes.fill(0)
        assert.equal((await far.receives(20)).toString(), 'refused in the clear')
      }),
  },
  {
    name: 'after socket() the counters stay right and destroy works',
    run: (subject) =>
      asSocket(subject, undefined, async (duplex, near, far) => {
        const reader = read(duplex)
        duplex.write('12345678')
        await far.receives(8)
        await until(() => reader.bytes.length === 5, 'the bytes on the socket')
        assert.deepEqual([near.bytesRead, near.bytesWritten], [5, 8])
        const owner = new Recorder(near)
        near.destroy()
        await until(() => reader.closed, 'the socket to close')
        await owner.closes()
        assert.equal(owner.received.length, 0, 'what came for the socket was delivered to the handler')
        await far.closesOrEnds()
      }),
  },
]
