import assert from 'node:assert/strict'
import type { Check } from '../check.ts'
import { pattern } from '../pattern.ts'
import type { Peer } from '../peer.ts'
import { settle, until } from '../waiting.ts'
import { type RelaySubject, relaying, type Scene } from './subject.ts'

/** The first side ends; the other still says its part, is heard, and ends too. */
async function halfClose(first: Peer, other: Peer, { result }: Scene, reason: string): Promise<void> {
  first.write('last words')
  first.end()
  await other.ends()
  assert.equal(other.received.toString(), 'last words')
  assert.equal(other.closed, false, 'a half-close must leave the other direction open')
  const answer = pattern(200_000)
  await other.send(answer)
  await first.receivesBytes(answer.length)
  assert.ok(first.received.equals(answer), 'what was sent after the half-close did not arrive complete')
  assert.equal(first.ended, false)
  other.end()
  await first.ends()
  const { reason: actual, error } = await result()
  assert.deepEqual([actual, error], [reason, undefined])
}

async function reset(first: Peer, other: Peer, { result }: Scene, reason: string): Promise<void> {
  first.reset()
  await other.closes()
  assert.ok(other.error !== undefined, 'a reset must be passed on as a reset, not as an orderly end')
  assert.equal((await result()).reason, reason)
}

/** Checks of how a relay ends. */
export const closeChecks: readonly Check<RelaySubject>[] = [
  {
    name: 'half-close: the client ends first',
    run: (subject) => relaying(subject, {}, (scene) => halfClose(scene.client, scene.backend, scene, 'client')),
  },
  {
    name: 'half-close: the backend ends first',
    run: (subject) => relaying(subject, {}, (scene) => halfClose(scene.backend, scene.client, scene, 'backend')),
  },
  {
    name: 'an end waits for the bytes before it',
    run: (subject) =>
      relaying(subject, {}, async ({ client, backend }) => {
        client.pause()
        const bytes = pattern(2_000_000)
        backend.write(bytes)
        backend.end()
        await settle()
        client.resume()
        await client.ends()
        assert.ok(client.received.equals(bytes), 'bytes before the end were lost')
      }),
  },
  {
    name: 'a reset of the client is passed on to the backend',
    run: (subject) => relaying(subject, {}, (scene) => reset(scene.client, scene.backend, scene, 'client_reset')),
  },
  {
    name: 'a reset of the backend is passed on to the client',
    run: (subject) => relaying(subject, {}, (scene) => reset(scene.backend, scene.client, scene, 'backend_reset')),
  },
  {
    name: 'an end that came before the relay is passed on',
    run: (subject) => {
      const before = async (client: Peer, _backend: Peer): Promise<void> => {
        client.write('all of it')
        client.end()
        await settle()
      }
      return relaying(subject, { before }, async ({ client, backend, result }) => {
        await backend.ends()
        assert.equal(backend.received.toString(), 'all of it')
        backend.write('answer')
        backend.end()
        await client.ends()
        assert.equal(client.received.toString(), 'answer')
        assert.equal((await result()).reason, 'client')
      })
    },
  },
  {
    name: 'an end that the channel has seen before the relay is passed on',
    run: (subject) =>
      relaying(
        subject,
        {
          before: async (client, _backend, [link]) => {
            const seen = { onData: () => undefined, onDrain: () => undefined, onEnd: () => link.pause() }
            link.attach({ ...seen, onClose: () => undefined })
            link.resume()
            client.end()
            await until(() => link.ended, 'the link to see the end')
          },
        },
        async ({ client, backend }) => {
          await backend.ends()
          backend.end('answer')
          await client.ends()
          assert.equal(client.received.toString(), 'answer')
        },
      ),
  },
  {
    name: 'a link that closed before the relay ends it',
    run: (subject) => {
      const before: (...scene: [Peer, Peer, readonly unknown[]]) => Promise<void> = async (_client, backend) => {
        backend.reset()
        await settle()
      }
      return relaying(subject, { before }, async ({ client, result }) => {
        client.write('nobody reads this')
        await client.ends()
        await result()
      })
    },
  },
  {
    name: 'abort closes both ends, and its reason is the result',
    run: (subject) =>
      relaying(subject, {}, async ({ client, backend, flight, clock, result }) => {
        client.write('on')
        await backend.receivesBytes(2)
        flight.abort('killed')
        await Promise.all([client.ends(), backend.ends()])
        // A client that stays must not hold it up.
        clock.advance(10_000)
        assert.equal((await result()).reason, 'killed')
      }),
  },
]
