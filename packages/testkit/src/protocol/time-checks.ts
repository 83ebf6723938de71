import assert from 'node:assert/strict'
import type { Resolution } from '@proxy/kernel'
import { toBuffer } from '../bytes.ts'
import type { Check } from '../check.ts'
import { deferred } from '../deferred.ts'
import type { Peer } from '../peer.ts'
import { settle, until } from '../waiting.ts'
import { handshakeTimeoutMs, type Stage, speak, staged } from './stage.ts'
import type { ProtocolFixture, ProtocolSubject } from './subject.ts'

async function demandTimeout(stage: Stage, said: Uint8Array): Promise<void> {
  const index = stage.ends.length
  const client = await stage.connect()
  client.write(said)
  await settle()
  await stage.pass(handshakeTimeoutMs - 500, () => stage.ends.length > index)
  assert.equal(stage.ends.length, index, 'the session ended before the handshake deadline')
  await stage.pass(3_000, () => client.ended || client.closed)
  assert.ok(client.ended || client.closed, 'a silent client is still connected after the handshake deadline')
  client.end()
  await stage.pass(5_000, () => stage.ends.length > index)
  assert.equal((await stage.end(index)).error?.code, 'PROXY_PEEK_TIMEOUT')
}

/** A client leaves while the resolver has not answered; then the resolver answers. */
async function leavesWhileWaking(subject: ProtocolSubject, leave: (client: Peer) => void): Promise<void> {
  const waking = deferred<Resolution>()
  let signal: AbortSignal | undefined
  const resolve = (_request: unknown, aborted: AbortSignal): Promise<Resolution> => {
    signal = aborted
    return waking.promise
  }
  await staged(subject, { resolve }, async (stage) => {
    const client = await stage.connect()
    void speak(subject.fixtures[0] as ProtocolFixture, client).catch(() => undefined)
    await until(() => signal !== undefined, 'the resolver to be asked')
    leave(client)
    await until(() => signal?.aborted === true, 'the signal to abort when the client leaves')
    waking.resolve('10.77.0.1:7777')
    await settle()
    assert.equal(stage.transport.dials, 0, 'the backend was dialled for a client that has left')
    await stage.pass(5_000, () => stage.ends.length === 1)
    assert.equal((await stage.end(0)).error?.code, 'PROXY_CLIENT_GONE')
  })
}

async function drainInTime(stage: Stage, peers: readonly Peer[]): Promise<void> {
  const drained = stage.gateway.drain({ deadlineMs: 5_000 })
  drained.catch(() => undefined)
  await stage.pass(8_000, () => stage.gateway.phase === 'closed')
  assert.equal(stage.gateway.phase, 'closed', 'sessions outlived the drain deadline')
  await drained
  await settle()
  assert.ok(
    peers.every((peer) => peer.ended || peer.closed),
    'connections outlived the drain deadline',
  )
}

/** Checks of deadlines, of clients that leave, and of draining. */
export const timeChecks: readonly Check<ProtocolSubject>[] = [
  {
    name: 'silence gives PROXY_PEEK_TIMEOUT',
    run: (subject) => staged(subject, {}, (stage) => demandTimeout(stage, Buffer.alloc(0))),
  },
  {
    name: 'silence in the middle of the opening gives PROXY_PEEK_TIMEOUT',
    run: (subject) =>
      staged(subject, {}, async (stage) => {
        for (const { client } of subject.fixtures) {
          if (typeof client === 'function' || client.length < 2) continue
          await demandTimeout(stage, toBuffer(client.slice(0, 1)))
          await demandTimeout(stage, toBuffer(client.slice(0, Math.floor(client.length / 2))))
        }
      }),
  },
  {
    name: 'a client that leaves while a backend wakes causes no dial',
    run: async (subject) => {
      await leavesWhileWaking(subject, (client) => client.reset())
      if (subject.protocol().halfClose === true) return
      await leavesWhileWaking(subject, (client) => client.end())
    },
  },
  {
    name: 'the drain deadline holds for established sessions',
    run: (subject) =>
      staged(subject, {}, async (stage) => {
        const peers: Peer[] = []
        for (const fixture of subject.fixtures) peers.push(...Object.values(await stage.establish(fixture)))
        await drainInTime(stage, peers)
      }),
  },
  {
    name: 'the drain deadline holds for clients that have not said what they want',
    run: (subject) =>
      staged(subject, { limits: { handshakeTimeoutMs: 3_600_000 } }, async (stage) => {
        const client = await stage.connect()
        await settle()
        await drainInTime(stage, [client])
      }),
  },
]
