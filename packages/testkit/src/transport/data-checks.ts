import assert from 'node:assert/strict'
import type { Link } from '@proxy/kernel'
import type { Check } from '../check.ts'
import { pattern } from '../pattern.ts'
import { settle, until } from '../waiting.ts'
import { Recorder } from './recorder.ts'
import { eachWay, recorded, type TransportSubject, withPair } from './subject.ts'

/** More than any socket buffer holds. */
const enormous = 64 * 1024 * 1024

/** Writes until the link asks to stop, and returns how much that was. */
function fill(near: Recorder): number {
  const chunk = pattern(65_536)
  for (let written = chunk.length; written <= enormous; written += chunk.length) {
    if (!near.write(chunk)) return written
  }
  return assert.fail('write never returned false although the peer does not read')
}

/** Checks of `write`, `onData`, `pause` and the counters. */
export const dataChecks: readonly Check<TransportSubject>[] = [
  {
    name: 'a link is born paused: bytes wait for the handler',
    run: (subject) =>
      eachWay(subject, async (nearLink, farLink) => {
        const near = new Recorder(nearLink)
        near.write('early')
        await settle()
        const far = new Recorder(farLink)
        assert.equal((await far.receives(5)).toString(), 'early')
        far.judge()
      }),
  },
  {
    name: 'attach and resume call nothing themselves',
    run: (subject) =>
      eachWay(subject, async (nearLink, farLink) => {
        nearLink.write('early')
        nearLink.end()
        await settle()
        const far = new Recorder(farLink)
        assert.deepEqual(far.events, [], 'the handler was called before attach and resume returned')
        await far.ends()
        assert.equal(far.received.toString(), 'early')
        far.judge()
      }),
  },
  {
    name: 'bytes arrive in order and complete, both ways at once',
    run: (subject) =>
      recorded(subject, async (near, far) => {
        const [there, back] = [pattern(300_000, 1), pattern(300_000, 2)]
        await Promise.all([send(near, there), send(far, back)])
        assert.ok((await far.receives(there.length)).equals(there), 'the bytes are not those that were sent')
        assert.ok((await near.receives(back.length)).equals(back), 'the bytes are not those that were sent')
      }),
  },
  {
    name: 'a string is latin1',
    run: (subject) =>
      recorded(subject, async (near, far) => {
        near.write('\u0000\u007f\u0080\u00ff')
        assert.deepEqual([...(await far.receives(4))], [0, 0x7f, 0x80, 0xff])
      }),
  },
  {
    name: 'bytes are borrowed for the call of write only',
    run: (subject) =>
      recorded(subject, async (near, far) => {
        far.pause()
        const expected = pattern(4 * 1024 * 1024)
        const lent = Buffer.from(expected)
        near.write(lent)
        lent.fill(0)
        far.resume()
        assert.ok((await far.receives(expected.length)).equals(expected), 'bytes changed after write were sent')
      }),
  },
  {
    name: 'write returns false when the peer does not read, and onDrain follows when it does',
    run: (subject) =>
      recorded(subject, async (near, far) => {
        far.pause()
        const written = fill(near)
        await settle()
        if (near.drains > 0) return
        assert.equal(near.link.writable, false, '`writable` must be false after a write that returned false')
        far.resume()
        await until(() => near.drains === 1, 'onDrain')
        assert.equal((await far.receives(written)).length, written)
        assert.equal(near.drains, 1)
        assert.equal(near.link.writable, true)
      }),
  },
  {
    name: 'no onData and no onEnd while paused, from within onData too',
    run: (subject) =>
      recorded(subject, async (near, far) => {
        far.onBytes = () => far.pause()
        const bytes = pattern(400_000)
        void send(near, bytes).then(() => near.link.end())
        while (far.receivedBytes < bytes.length) {
          const before = far.events.length
          await until(() => far.events.length > before || far.receivedBytes === bytes.length, 'more bytes')
          await settle(4)
          far.resume()
        }
        await settle()
        far.resume()
        await far.ends()
        assert.ok(far.received.equals(bytes), 'bytes were lost over pause and resume')
      }),
  },
  {
    name: 'attach replaces the handler',
    run: (subject) =>
      recorded(subject, async (near, far) => {
        near.write('one')
        await far.receives(3)
        const second = new Recorder(far.link)
        near.write('two')
        assert.equal((await second.receives(3)).toString(), 'two')
        assert.equal(far.received.toString(), 'one', 'the first handler was still called')
      }),
  },
  {
    name: 'the counters count the bytes',
    run: (subject) =>
      recorded(subject, async (near, far) => {
        near.write(pattern(1_000))
        near.write('abc')
        await far.receives(1_003)
        far.write('defg')
        await near.receives(4)
        const counted = [near.link.bytesWritten, far.link.bytesRead, far.link.bytesWritten, near.link.bytesRead]
        assert.deepEqual(counted, [1_003, 1_003, 4, 4])
      }),
  },
  {
    name: 'links do not disturb each other',
    run: (subject) =>
      withPair(subject, (one) =>
        withPair(subject, async (other) => {
          const ends = [one.accepted, other.accepted].map((link) => new Recorder(link)) as [Recorder, Recorder]
          one.dialled.write('one')
          other.dialled.write('other')
          await Promise.all([ends[0].receives(3), ends[1].receives(5)])
          assert.deepEqual([ends[0].received.toString(), ends[1].received.toString()], ['one', 'other'])
          ends[0].judge()
        }),
      ),
  },
]

/** Sends in pieces of odd sizes, stopping where the link asks for it. */
export async function send(near: Recorder, bytes: Buffer): Promise<void> {
  for (let offset = 0, size = 1; offset < bytes.length; offset += size, size = ((size * 7) % 9_973) + 1) {
    if (!near.write(bytes.subarray(offset, offset + size))) await writable(near.link)
  }
}

const writable = (link: Link): Promise<void> => until(() => link.writable, 'onDrain')
