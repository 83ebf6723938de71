import assert from 'node:assert/strict'
import type { RelayOptions } from '@proxy/kernel'
import type { Check } from '../check.ts'
import { settle } from '../waiting.ts'
import { type RelaySubject, relaying, type Scene } from './subject.ts'

const idleMs = 10_000

/** Deadlines may be late by so much, never early. */
const tolerance = 2_000

const isQuiet = (tail: Buffer): boolean => tail.at(-1) === 0x5a

const draining: RelayOptions = { quiet: isQuiet, goodbye: Buffer.from('goodbye') }

/** Time passes, in steps in which events are delivered. */
async function pass({ clock }: Scene, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 500) {
    clock.advance(Math.min(left, 500))
    await settle(4)
  }
}

async function exchange({ client, backend }: Scene, request: string, answer: string): Promise<void> {
  client.write(request)
  await backend.receives(request)
  if (answer === '') return
  backend.write(answer)
  await client.receives(answer)
}

async function staysOpen(scene: Scene, ms: number, what: string): Promise<void> {
  await pass(scene, ms)
  const { client, backend } = scene
  assert.deepEqual([client.ended, client.closed, backend.ended, backend.closed], [false, false, false, false], what)
}

/** Checks of idle timeouts and of draining. */
export const timeChecks: readonly Check<RelaySubject>[] = [
  {
    name: 'the idle timeout ends a silent relay, and bytes of either side postpone it',
    run: (subject) =>
      relaying(subject, { options: { idleTimeoutMs: idleMs } }, async (scene) => {
        await staysOpen(scene, idleMs - 1_000, 'ended before the idle timeout')
        await exchange(scene, 'client speaks', '')
        await staysOpen(scene, idleMs - 1_000, "the client's bytes must postpone the idle timeout")
        scene.backend.write('backend speaks')
        await scene.client.receives('backend speaks')
        await staysOpen(scene, idleMs - 1_000, "the backend's bytes must postpone the idle timeout")
        await pass(scene, 1_000 + tolerance)
        await Promise.all([scene.client.ends(), scene.backend.ends()])
        assert.equal((await scene.result()).reason, 'idle_timeout')
      }),
  },
  {
    name: 'an idle timeout of 0 is none',
    run: (subject) =>
      relaying(subject, { options: { idleTimeoutMs: 0 } }, async (scene) => {
        scene.clock.advance(100 * 24 * 3_600_000)
        await staysOpen(scene, 1_000, 'ended although there is no idle timeout')
        await exchange(scene, 'still', 'there')
      }),
  },
  {
    name: 'drain ends a quiet session with the goodbye',
    run: (subject) =>
      relaying(subject, { options: draining }, async (scene) => {
        await exchange(scene, 'query', 'rows Z')
        scene.flight.drain()
        await pass(scene, 5_000)
        await Promise.all([scene.client.ends(), scene.backend.ends()])
        assert.equal(scene.client.received.toString(), 'rows Zgoodbye')
        assert.equal(scene.backend.received.toString(), 'query')
        scene.client.end()
        assert.equal((await scene.result()).reason, 'drain')
      }),
  },
  {
    name: 'drain waits for the answer to what the client said last',
    run: (subject) =>
      relaying(subject, { options: draining }, async (scene) => {
        await exchange(scene, 'query', 'rows Z')
        await exchange(scene, 'another query', '')
        scene.flight.drain()
        await staysOpen(scene, 20_000, 'drained although an answer is due')
        scene.backend.write('more rows Z')
        await scene.client.receives('more rows Z')
        await pass(scene, 5_000)
        await scene.client.ends()
        assert.equal(scene.client.received.toString(), 'rows Zmore rows Zgoodbye')
      }),
  },
  {
    name: 'drain does not end a session that is not quiet, and shows `quiet` the last bytes',
    run: (subject) => {
      const tails: string[] = []
      const quiet = (tail: Buffer): boolean => {
        assert.ok(tail.length <= 16, '`quiet` must be given at most 16 bytes')
        tails.push(tail.toString('latin1'))
        return false
      }
      return relaying(subject, { options: { ...draining, quiet } }, async (scene) => {
        await exchange(scene, 'query', 'a long answer that ends in 0123456789')
        scene.backend.write('AB')
        await scene.client.receives('AB')
        scene.flight.drain()
        await staysOpen(scene, 20_000, 'drained although `quiet` says no')
        assert.ok(tails.length > 0, '`quiet` was not asked')
        for (const tail of tails) assert.ok(tail.endsWith('0123456789AB'), `not the last bytes: ${tail}`)
      })
    },
  },
  {
    name: 'drained again, a session that is never silent ends between two exchanges',
    run: (subject) =>
      relaying(subject, { options: draining }, async (scene) => {
        scene.flight.drain()
        for (let count = 0; count < 8; count++) {
          await exchange(scene, 'query', 'rows Z')
          await staysOpen(scene, 500, 'drained in the midst of its work')
        }
        await exchange(scene, 'last query', '')
        scene.flight.drain()
        await staysOpen(scene, 500, 'drained although an answer is due')
        scene.backend.write('last rows Z')
        await Promise.all([scene.client.ends(), scene.backend.ends()])
        assert.ok(scene.client.received.toString().endsWith('last rows Zgoodbye'), 'the last answer and the goodbye')
      }),
  },
  {
    name: 'drain without `quiet` ends nothing',
    run: (subject) =>
      relaying(subject, {}, async (scene) => {
        await exchange(scene, 'query', 'rows')
        scene.flight.drain()
        await staysOpen(scene, 20_000, 'drained although nothing says that it may')
        await exchange(scene, 'still', 'there')
      }),
  },
  {
    name: 'abort by drain says goodbye too',
    run: (subject) =>
      relaying(subject, { options: draining }, async (scene) => {
        await exchange(scene, 'query', 'half of the')
        scene.flight.drain()
        scene.flight.abort('drain')
        await Promise.all([scene.client.ends(), scene.backend.ends()])
        assert.equal(scene.client.received.toString(), 'half of thegoodbye')
        scene.client.end()
        assert.equal((await scene.result()).reason, 'drain')
      }),
  },
]
