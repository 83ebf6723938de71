import assert from 'node:assert/strict'
import type { Check } from '../check.ts'
import { settle } from '../waiting.ts'
import { type Stage, speak, staged } from './stage.ts'
import type { ProtocolFixture, ProtocolSubject } from './subject.ts'

/** Beyond it, cuts in the middle of an opening are sampled. */
const everyCutUpTo = 1_500

function* cuts(length: number): Generator<number> {
  const step = Math.max(1, Math.ceil(length / everyCutUpTo))
  for (let at = 1; at < length; at += at < 200 || at > length - 200 ? 1 : step) yield at
}

async function establishWith(stage: Stage, fixture: ProtocolFixture, cut: number | undefined): Promise<void> {
  const splitter = (offset: number, available: number): number => {
    if (cut === undefined) return 1
    return offset < cut ? cut - offset : available
  }
  try {
    const { client, backend } = await stage.establish(fixture, splitter)
    client.reset()
    backend.reset()
  } catch (error) {
    const how = cut === undefined ? 'byte by byte' : `cut after ${cut} bytes`
    throw new Error(`${fixture.name}, ${how}: ${(error as Error).message}`, { cause: error })
  }
}

/** Half of a fixture first, then `between`, then the rest. */
async function interrupted(stage: Stage, fixture: ProtocolFixture, between: () => Promise<unknown>): Promise<void> {
  const { client: opening } = fixture
  if (typeof opening === 'function') {
    await Promise.all([stage.establish(fixture), between()])
    return
  }
  const client = await stage.connect()
  const half = Math.floor(opening.length / 2)
  client.write(opening.slice(0, half))
  await settle(6)
  await between()
  await stage.finish(fixture, client, async () => void client.write(opening.slice(half)))
}

/** Checks of where a connection is routed and what its backend receives. */
export const routeChecks: readonly Check<ProtocolSubject>[] = [
  {
    name: 'every fixture is routed by its key, and the backend receives exactly the expected bytes',
    run: (subject) =>
      staged(subject, {}, async (stage) => {
        assert.ok(subject.fixtures.length > 0, 'give at least one fixture')
        for (const fixture of subject.fixtures) await stage.establish(fixture)
      }),
  },
  {
    name: 'the route is the same when the bytes are cut at every offset',
    run: (subject) =>
      staged(subject, {}, async (stage) => {
        for (const fixture of subject.fixtures) {
          const { client } = await stage.establish(fixture)
          await establishWith(stage, fixture, undefined)
          for (const cut of cuts(client.link.bytesWritten)) await establishWith(stage, fixture, cut)
        }
      }),
  },
  {
    name: 'sessions share no state',
    run: (subject) =>
      staged(subject, {}, async (stage) => {
        for (const one of subject.fixtures) {
          for (const other of subject.fixtures) {
            if (one === other && typeof one.client === 'function') continue
            await interrupted(stage, one, () => (one === other ? peekOnly(stage, one) : stage.establish(other)))
          }
        }
      }),
  },
  {
    name: 'instances share no state',
    run: (subject) =>
      staged(subject, {}, (stage) =>
        staged(subject, {}, async (second) => {
          for (const one of subject.fixtures) {
            for (const other of subject.fixtures) await interrupted(stage, one, () => second.establish(other))
          }
        }),
      ),
  },
]

/** Another session of the same fixture goes as far, and leaves. */
async function peekOnly(stage: Stage, fixture: ProtocolFixture): Promise<void> {
  const client = await stage.connect()
  const opening = fixture.client
  if (typeof opening === 'function') await speak(fixture, client)
  else client.write(opening.slice(0, Math.ceil(opening.length / 3)))
  await settle(6)
  client.reset()
}
