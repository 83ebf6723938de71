import assert from 'node:assert/strict'
import type { Check } from '../check.ts'
import { pattern } from '../pattern.ts'
import type { Peer } from '../peer.ts'
import { settle } from '../waiting.ts'
import { type RelaySubject, relaying } from './subject.ts'

const chunk = pattern(65_536)

/** More than all socket buffers on the way hold together. */
const enormous = 48 * 1024 * 1024

/** Sends until the other side stays unwilling, and returns how many bytes that took. */
async function pump(peer: Peer): Promise<number> {
  for (let sent = chunk.length; sent <= enormous; sent += chunk.length) {
    if (peer.write(chunk)) continue
    for (let patience = 20; patience > 0 && !peer.link.writable; patience--) await settle(10)
    if (!peer.link.writable) return sent
  }
  return assert.fail(`${enormous} bytes were taken from one side although the other does not read`)
}

function repeats(bytes: Buffer, piece: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += piece.length) {
    if (!bytes.subarray(at, at + piece.length).equals(piece)) return false
  }
  return bytes.length % piece.length === 0
}

async function sendInPieces(peer: Peer, bytes: Buffer): Promise<void> {
  for (let at = 0, size = 1; at < bytes.length; at += size, size = ((size * 13) % 20_011) + 1) {
    await peer.send(bytes.subarray(at, at + size))
  }
}

/** One side stops to read: the other is held back, and loses nothing once reading goes on. */
async function stalls(from: Peer, to: Peer): Promise<void> {
  to.pause()
  const sent = await pump(from)
  to.resume()
  await to.receivesBytes(sent)
  assert.equal(to.receivedBytes, sent)
  assert.ok(repeats(to.received, chunk), 'bytes were lost or reordered by the stall')
}

/** Checks of what a relay does with bytes. */
export const dataChecks: readonly Check<RelaySubject>[] = [
  {
    name: 'bytes arrive in order and complete, both ways at once',
    run: (subject) =>
      relaying(subject, {}, async ({ client, backend }) => {
        const [request, answer] = [pattern(700_000, 1), pattern(700_000, 2)]
        await Promise.all([sendInPieces(client, request), sendInPieces(backend, answer)])
        await Promise.all([backend.receivesBytes(request.length), client.receivesBytes(answer.length)])
        assert.ok(backend.received.equals(request), 'the backend got other bytes than the client sent')
        assert.ok(client.received.equals(answer), 'the client got other bytes than the backend sent')
      }),
  },
  {
    name: 'unread bytes go first, both ways',
    run: (subject) =>
      relaying(subject, { clientUnread: 'first ', backendUnread: 'hello ' }, async ({ client, backend }) => {
        client.write('second')
        backend.write('client')
        await Promise.all([backend.receivesBytes(12), client.receivesBytes(12)])
        assert.deepEqual([backend.received.toString(), client.received.toString()], ['first second', 'hello client'])
      }),
  },
  {
    name: 'unread bytes that the other side is slow to take are not lost',
    run: (subject) => {
      const unread = pattern(400_000).toString('latin1')
      const before = async (_client: Peer, backend: Peer): Promise<void> => backend.pause()
      return relaying(subject, { clientUnread: unread, before }, async ({ client, backend }) => {
        client.write('behind')
        await settle()
        backend.resume()
        await backend.receivesBytes(400_006)
        assert.ok(backend.received.toString('latin1') === `${unread}behind`, 'unread bytes were lost or overtaken')
      })
    },
  },
  {
    name: 'a backend that does not read holds the client back, in bounded memory',
    run: (subject) => relaying(subject, {}, ({ client, backend }) => stalls(client, backend)),
  },
  {
    name: 'a client that does not read holds the backend back, in bounded memory',
    run: (subject) => relaying(subject, {}, ({ client, backend }) => stalls(backend, client)),
  },
]
