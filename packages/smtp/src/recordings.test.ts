import { readFileSync } from 'node:fs'
import { type Peer, settle } from '@proxy/testkit'
import { describe, expect, test } from 'vitest'
import { type BackendPeer, SmtpStage } from './__fixtures__/stage.ts'
import { codeOf, ReplyReader } from './reply-reader.ts'

const recording = (name: string, side: 'client' | 'server'): Buffer =>
  readFileSync(new URL(`__fixtures__/${name}.${side}.bin`, import.meta.url))

function repliesIn(pieces: readonly Buffer[]): string[] {
  const replies: string[] = []
  const reader = new ReplyReader()
  const onReply = (_code: number, bytes: Buffer): boolean => replies.push(bytes.toString('latin1')) > 0
  for (const piece of pieces) reader.read(piece, { onReply })
  return replies
}

/** Gives the recorded replies, one a command and one a message, as the server did. */
async function replay({ peer }: BackendPeer, replies: readonly string[]): Promise<void> {
  const left = [...replies]
  peer.write(left.shift()!)
  let [at, inData] = [0, false]
  while (left.length > 0 && !peer.closed) {
    const text = peer.received.toString('latin1')
    const end = text.indexOf(inData ? '\r\n.\r\n' : '\r\n', at)
    if (end < 0) {
      await settle(1)
      continue
    }
    at = end + (inData ? 5 : 2)
    const reply = left.shift()!
    inData = reply.startsWith('354')
    peer.write(reply)
  }
}

async function arrived(peer: Peer, length: number): Promise<void> {
  for (let turns = 0; turns < 2_000 && peer.receivedBytes < length && !peer.closed; turns++) await settle(1)
}

/** Sessions of real clients with real servers, of which the gateway is a part now. */
const sessions: readonly (readonly [name: string, key: string, codes: string])[] = [
  ['swaks', 'alpha.test', '220 250 250 250 354 250 221'],
  ['smtp-source', 'alpha.test', '220 250 250 250 354 250 250 250 354 250 221'],
  ['nodemailer', 'alpha.test', '220 250 235 250 250 250 354 250'],
  ['postfix', 'client.test', '220 250 250 250 250 354 250 221'],
]

describe.each(sessions)('%s', (name, key, codes) => {
  const [client, server] = [recording(name, 'client'), recording(name, 'server')]
  const replies = repliesIn([server])

  test('the replies are the same wherever they are cut', () => {
    expect(replies.map((reply) => codeOf(Buffer.from(reply), 0)).join(' ')).toBe(codes)
    for (let cut = 1; cut < server.length; cut++) {
      expect(repliesIn([server.subarray(0, cut), server.subarray(cut)])).toEqual(replies)
    }
  })

  test('the backend receives what the client sends, wherever it is cut', async () => {
    await using stage = await SmtpStage.open({ plainAuth: true, resolution: { endpoint: '10.0.0.1:25' }, known: [key] })
    for (let cut = 1; cut <= client.length; cut++) {
      const peer = await stage.greeted()
      peer.peer.write(client.subarray(0, cut))
      await settle(2)
      peer.peer.write(client.subarray(cut))
      const backend = await stage.backend()
      await replay(backend, replies)
      await arrived(backend.peer, client.length)
      expect(backend.peer.received.toString('latin1')).toBe(client.toString('latin1'))
      await settle(2)
      const last = replies.at(-1)!
      expect(peer.peer.received.toString('latin1').endsWith(last)).toBe(true)
      peer.peer.reset()
      backend.peer.reset()
    }
    expect(stage.requests.every((request) => request.key === key)).toBe(true)
  })
})
