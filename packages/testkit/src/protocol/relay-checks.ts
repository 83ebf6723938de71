import assert from 'node:assert/strict'
import { type Bytes, toBuffer } from '../bytes.ts'
import type { Check } from '../check.ts'
import { pattern } from '../pattern.ts'
import type { Peer } from '../peer.ts'
import { staged } from './stage.ts'
import type { ProtocolFixture, ProtocolSubject } from './subject.ts'

/** `first` ends; `other` still sends, is heard, and ends too. */
async function halfClose(first: Peer, other: Peer, bytes: Bytes = pattern(50_000)): Promise<void> {
  const had = first.receivedBytes
  first.end()
  await other.ends()
  assert.equal(other.closed, false, 'a half-close must leave the other direction open')
  const late = toBuffer(bytes)
  await other.send(late)
  await first.receivesBytes(had + late.length)
  assert.ok(first.received.subarray(had).equals(late), 'bytes after the half-close did not arrive as they were sent')
  other.end()
  await first.ends()
}

const first = (subject: ProtocolSubject): ProtocolFixture => subject.fixtures[0] as ProtocolFixture

/** Checks of an established session. */
export const relayChecks: readonly Check<ProtocolSubject>[] = [
  {
    name: 'half-close: the client ends first',
    run: (subject) =>
      staged(subject, {}, async (stage) => {
        const { client, backend } = await stage.establish(first(subject))
        await halfClose(client, backend, subject.late)
        assert.equal((await stage.end(0)).reason, 'client')
      }),
  },
  {
    name: 'half-close: the backend ends first',
    run: (subject) =>
      staged(subject, {}, async (stage) => {
        const { client, backend } = await stage.establish(first(subject))
        await halfClose(backend, client, subject.more)
        assert.equal((await stage.end(0)).reason, 'backend')
      }),
  },
  {
    name: 'a backend that breaks off ends the session',
    run: (subject) =>
      staged(subject, {}, async (stage) => {
        const { client, backend } = await stage.establish(first(subject))
        backend.reset()
        await client.ends()
        client.end()
        await stage.pass(5_000, () => stage.ends.length === 1)
        await stage.end(0)
      }),
  },
  {
    name: 'a client that breaks off ends the session and leaves the backend',
    run: (subject) =>
      staged(subject, {}, async (stage) => {
        const { client, backend } = await stage.establish(first(subject))
        client.reset()
        await backend.ends()
        await stage.end(0)
      }),
  },
]
