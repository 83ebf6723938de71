import { type Peer, settle } from '@proxy/testkit'
import { expect, test } from 'vitest'
import { type BackendPeer, type ClientPeer, SmtpStage, type StageOptions } from './__fixtures__/stage.ts'

/** Sessions of each kind. `SMTP_FUZZ` multiplies them. */
const sessions = 250 * Number(process.env['SMTP_FUZZ'] ?? 1)

const commands: readonly string[] = [
  'EHLO alpha\r\n',
  'EHLO alpha\r\n',
  'HELO beta\r\n',
  'EHLO nobody\r\n',
  'MAIL FROM:<a@b>\r\n',
  'MAIL FROM:<a@b>\r\n',
  'RCPT TO:<bob@alpha>\r\n',
  'RCPT TO:<bob@alpha>\r\n',
  'RCPT TO:<carol@beta>\r\n',
  'DATA\r\n',
  'DATA\r\nhello\r\n.\r\n',
  'hello\r\n..\r\n',
  '.\r\n',
  'bare\n',
  'BDAT 3\r\nabc',
  'BDAT 4 LAST\r\nQUIT',
  'RSET\r\n',
  'NOOP\r\n',
  'AUTH PLAIN AGJvYkBhbHBoYQBi\r\n',
  'AUTH LOGIN\r\n',
  'Ym9iLmJldGE=\r\n',
  'STARTTLS\r\n',
  'XCLIENT ADDR=127.0.0.1\r\n',
  'QUIT\r\n',
]
const answers: readonly string[] = [
  ...Array.from({ length: 12 }, () => '250 2.0.0 Ok\r\n'),
  '250-mx\r\n250-CHUNKING\r\n250 AUTH PLAIN\r\n',
  '354 go on\r\n',
  '354 go on\r\n',
  '354 go on\r\n',
  '334 \r\n',
  '235 2.7.0 welcome\r\n',
  '550 5.1.1 no\r\n',
  '451 4.3.0 later\r\n',
  '421 4.3.2 bye\r\n',
  '250 2.0.0 Ok\r\n250 2.0.0 once more\r\n',
  'nonsense\r\n',
]

/** xorshift32. */
function dice(seed: number): (limit: number) => number {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1
  return (limit) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}

/** Backends that have asked for content or a password, which may look like anything. */
const asked = new WeakSet<Peer>()

/** Answers what it has been sent, one thing after the other, with whatever comes to its mind. */
function answer({ peer }: BackendPeer, roll: (limit: number) => number): void {
  if (peer.closed) return
  const mood = roll(60)
  if (mood === 0) peer.reset()
  else if (mood === 1) peer.end()
  else {
    const said = answers[roll(answers.length)]!
    if (said.startsWith('3')) asked.add(peer)
    peer.write(said)
  }
}

async function converse(stage: SmtpStage, client: ClientPeer, roll: (limit: number) => number): Promise<void> {
  const answered = new Map<BackendPeer, number>()
  for (let step = 0; step < 40 && !client.peer.ended && !client.peer.closed; step++) {
    const text = step === 0 ? commands[roll(2)]! : commands[roll(commands.length)]!
    const cut = roll(3) === 0 ? roll(text.length) : text.length
    client.peer.write(text.slice(0, cut))
    await settle(1)
    if (cut < text.length) client.peer.write(text.slice(cut))
    await settle(2)
    for (const backend of stage.present()) {
      const heard = backend.peer.receivedBytes
      if (!answered.has(backend)) backend.peer.write('220 mx\r\n')
      else if (heard > answered.get(backend)! || roll(20) === 0) answer(backend, roll)
      answered.set(backend, heard)
    }
    await settle(1)
  }
}

/** Lines that only the gateway itself may have said, or nobody. */
function demandOwnWords(text: string, unheardOf: RegExp): void {
  const outside = text.replaceAll(/^(BDAT 4 LAST\r\nQUIT|BDAT 3\r\nabc)/gm, '')
  expect(outside).not.toMatch(unheardOf)
}

const kinds: readonly (readonly [name: string, options: StageOptions, unheardOf: RegExp])[] = [
  ['at EHLO', { plainAuth: true }, /^(XCLIENT|STARTTLS|EHLO nobody)/m],
  ['by recipient', { keys: ['recipient'], plainAuth: true }, /^(XCLIENT|STARTTLS|AUTH)/m],
  ['by user, else at MAIL', { keys: ['user', 'helo'], plainAuth: true }, /^(XCLIENT|STARTTLS)/m],
]

test.each(kinds)(
  'whatever both sides say, a session routed %s stays in order, and ends',
  async (_name, options, unheardOf) => {
    await using stage = await SmtpStage.open({ ...options, maxErrors: 8, readinessTimeoutMs: 1_000 })
    for (let seed = 1; seed <= sessions; seed++) {
      const roll = dice(seed)
      const client = await stage.greeted()
      await converse(stage, client, roll)
      if (roll(2) === 0) client.peer.reset()
      else {
        // Who only ends its side may still wait for an answer.
        client.peer.end()
        for (const { peer } of stage.present()) peer.end()
      }
      await settle(6)
      if (stage.ends.length < seed) await stage.pass(3_000)
      expect(stage.ends.length, `session ${seed} has not ended`).toBe(seed)
      expect(stage.ends.at(-1)!.error?.code).not.toBe('PROXY_INTERNAL')
      for (const { peer } of stage.present()) {
        if (!asked.has(peer)) demandOwnWords(peer.received.toString('latin1'), unheardOf)
        expect(peer.ended || peer.closed, `a backend of session ${seed} is left`).toBe(true)
        peer.destroy()
      }
      stage.dismiss()
      client.peer.destroy()
    }
    expect(stage.faults).toEqual([])
  },
)
