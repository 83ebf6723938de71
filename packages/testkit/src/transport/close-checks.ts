import assert from 'node:assert/strict'
import type { Check } from '../check.ts'
import { pattern } from '../pattern.ts'
import { settle, until } from '../waiting.ts'
import { send } from './data-checks.ts'
import { Recorder } from './recorder.ts'
import { eachWay, recorded, type TransportSubject } from './subject.ts'

/** Checks of `end`, `destroy` and the last events. */
export const closeChecks: readonly Check<TransportSubject>[] = [
  {
    name: 'half-close: the other direction stays open until it ends too',
    run: (subject) =>
      recorded(subject, async (near, far) => {
        near.link.end()
        await far.ends()
        assert.deepEqual([far.link.ended, far.link.closed, near.link.ended], [true, false, false])
        await send(far, pattern(100_000))
        assert.ok((await near.receives(100_000)).equals(pattern(100_000)), 'bytes after the half-close were lost')
        assert.equal(near.ended, false)
        far.link.end()
        await Promise.all([near.closes(), far.closes()])
        assert.deepEqual([near.error, far.error], [undefined, undefined], 'an orderly end is no error')
        assert.deepEqual([near.ended, far.ended], [true, true])
      }),
  },
  {
    name: 'end comes after everything that was queued',
    run: (subject) =>
      recorded(subject, async (near, far) => {
        far.pause()
        const bytes = pattern(3 * 1024 * 1024)
        near.write(bytes)
        near.link.end()
        await settle()
        far.resume()
        await far.ends()
        assert.ok(far.received.equals(bytes), 'bytes that were queued before end() were lost')
      }),
  },
  {
    name: 'bytes written after end or destroy are dropped without an error',
    run: (subject) =>
      recorded(subject, async (near, far) => {
        near.write('kept')
        near.link.end()
        near.write('dropped')
        await far.ends()
        assert.equal(far.received.toString(), 'kept')
        far.link.destroy()
        far.link.write('dropped')
        far.link.end()
        await Promise.all([near.closes(), far.closes()])
        assert.equal(near.received.length, 0)
        near.link.write('dropped')
        await settle()
      }),
  },
  {
    name: 'a FIN that came before the handler is delivered to it',
    run: (subject) =>
      eachWay(subject, async (nearLink, farLink) => {
        nearLink.end()
        await settle()
        const far = new Recorder(farLink)
        if (!farLink.ended) await far.ends()
        far.judge()
      }),
  },
  {
    name: 'after destroy: onClose, once, without an error, and nothing else',
    run: (subject) =>
      recorded(subject, async (near, far) => {
        far.write('never delivered')
        near.link.destroy()
        near.link.destroy()
        near.link.destroy(true)
        await near.closes()
        await settle()
        assert.deepEqual(near.events, ['close'])
        assert.equal(near.error, undefined)
        await far.closesOrEnds()
      }),
  },
  {
    name: 'onceClosed, where there is one, calls behind onClose, and at once when it is closed',
    run: (subject) =>
      recorded(subject, async (near, far) => {
        if (near.link.onceClosed === undefined) return
        let events: number | undefined = undefined
        near.link.onceClosed(() => assert.fail('an earlier listener was called'))
        near.link.onceClosed(() => (events = near.events.length))
        near.link.destroy()
        assert.equal(events, undefined, 'told before the link was closed')
        await near.closes()
        await until(() => events !== undefined, 'to be told that the link has closed')
        assert.equal(events, near.events.length, 'told before the handler')
        let again = false
        near.link.onceClosed(() => (again = true))
        assert.ok(again, 'not told although it was closed')
        await far.closesOrEnds()
      }),
  },
  {
    name: 'destroy from within onData ends the delivery',
    run: (subject) =>
      recorded(subject, async (near, far) => {
        far.onBytes = () => far.link.destroy()
        near.write(pattern(500_000))
        await far.closes()
        await settle()
        assert.deepEqual(far.events, ['data', 'close'])
        near.link.destroy()
      }),
  },
  {
    name: 'destroy with reset breaks the peer off: onClose with an error, no onEnd',
    run: (subject) =>
      recorded(subject, async (near, far) => {
        near.link.destroy(true)
        await Promise.all([near.closes(), far.closes()])
        assert.equal(far.ended, false, 'a reset must not look like an orderly end')
        assert.ok(far.error instanceof Error, 'the peer of a reset link must be told so by an error')
        assert.equal(near.error, undefined, 'destroying a link is no error for the one that does it')
      }),
  },
]
