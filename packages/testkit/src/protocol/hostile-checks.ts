import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type Bytes, show, toBuffer } from '../bytes.ts'
import type { Check } from '../check.ts'
import { arbitrarySplits, garbage } from '../fuzz.ts'
import type { Peer } from '../peer.ts'
import { settle } from '../waiting.ts'
import { foreignOpenings } from './foreign-openings.ts'
import {
  demandNoSecrets,
  handshakeTimeoutMs,
  isCoded,
  maxHandshakeBytes,
  type Stage,
  staged,
  takenIn,
} from './stage.ts'
import { openings, type ProtocolSubject } from './subject.ts'

/** Room for what lies in the transport's buffers beside what the gateway holds. */
const slack = 4 * 65_536
const flood = 2 * 1024 * 1024
const runs = 60

const hasEnded = (client: Peer): boolean => client.ended || client.closed

/** The session must end by itself once the client has left and the deadlines have passed; if by an error, by a coded one. */
async function endsWell(stage: Stage, client: Peer, index: number, bytes: Buffer): Promise<void> {
  client.end()
  await settle(6)
  if (stage.ends.length <= index) await stage.pass(3 * handshakeTimeoutMs, () => stage.ends.length > index)
  if (stage.ends.length <= index) client.reset()
  await stage.pass(5_000, () => stage.ends.length > index)
  const { error } = await stage.end(index)
  if (error !== undefined) {
    assert.ok(isCoded(error), `${show(bytes)} made the session fail with ${error.code}: ${String(error.cause)}`)
  }
  demandNoSecrets(client.received, 'the answer to garbage')
  client.destroy()
}

async function endure(stage: Stage, pieces: readonly Buffer[]): Promise<void> {
  const index = stage.ends.length
  const client = await stage.connect()
  for (const piece of pieces) {
    client.write(piece)
    await settle(2)
  }
  await endsWell(stage, client, index, Buffer.concat(pieces))
}

/** Sends filler behind the opening for as long as it is taken. */
async function overflow(stage: Stage, opening: Buffer, filler: number): Promise<void> {
  const index = stage.ends.length
  const client = await stage.connect()
  const [piece, dials] = [Buffer.alloc(32_768, filler), stage.transport.dials]
  client.write(opening)
  for (let sent = 0; sent < flood && client.link.writable && !hasEnded(client); sent += piece.length) {
    client.write(piece)
    await settle(4)
  }
  const taken = takenIn(client)
  if (stage.transport.dials === dials) {
    const most = maxHandshakeBytes + slack
    assert.ok(taken <= most, `${taken} bytes were taken in of a message without an end: ${show(opening)}`)
  }
  await endsWell(stage, client, index, opening)
}

function oversized(subject: ProtocolSubject): readonly Bytes[] {
  const halves = openings(subject).map((bytes) => bytes.subarray(0, Math.ceil(bytes.length / 2)))
  return subject.oversize ?? [...halves, '']
}

/** A backend that leaves when its peer does, as most do. */
function leaving(subject: ProtocolSubject): ProtocolSubject {
  const fixtures = subject.fixtures.map((fixture) => ({
    ...fixture,
    serve: (backend: Peer): void => {
      const onEnd = backend.onEnd.bind(backend)
      backend.onEnd = () => {
        onEnd()
        backend.end()
      }
      void Promise.resolve(fixture.serve?.(backend)).catch(() => undefined)
    },
  }))
  return { ...subject, fixtures }
}

/** Checks of what a protocol does with clients that are not its own. */
export const hostileChecks: readonly Check<ProtocolSubject>[] = [
  {
    name: 'garbage gives a coded error or a close, and never an internal error',
    run: (subject) =>
      staged(leaving(subject), {}, async (stage) => {
        for (const opening of foreignOpenings) await endure(stage, [opening])
        const samples = garbage(openings(subject)).chain(arbitrarySplits)
        await fc.assert(
          fc.asyncProperty(samples, (pieces) => endure(stage, pieces)),
          { numRuns: runs },
        )
      }),
  },
  {
    name: 'a message without an end is given up in bounded memory',
    run: (subject) =>
      staged(leaving(subject), {}, async (stage) => {
        for (const opening of oversized(subject)) {
          for (const filler of [0x41, 0xff, 0x00]) await overflow(stage, toBuffer(opening), filler)
        }
      }),
  },
  {
    name: 'a failed session leaves no trace in the next one',
    run: (subject) => {
      const patient = leaving(subject)
      return staged(patient, {}, async (stage) => {
        for (const fixture of patient.fixtures) {
          await endure(stage, [Buffer.from([0xff, 0x00, 0x0d, 0x0a, 0x41])])
          await stage.establish(fixture)
        }
      })
    },
  },
]
