import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { backend, GatewayError, type Layer, type LayerContext } from '@proxy/kernel'
import type { Check } from '../check.ts'
import type { Splitter } from '../memory-link.ts'
import type { Peer } from '../peer.ts'
import { settle, within } from '../waiting.ts'
import { isCoded, type Stage, staged } from './stage.ts'
import type { ProtocolSubject, ReadySubject } from './subject.ts'

const address = '10.78.0.1:7777'

type Serve = (peer: Peer) => unknown

/** One probe of a backend that is served so. What the protocol leaves behind is judged with the stage. */
interface Probing {
  readonly stage: Stage
  readonly abort: AbortController
  /** Settles as the probe does. */
  readonly outcome: Promise<void>
}

async function probed(
  subject: ProtocolSubject,
  serve: Serve,
  body: (probing: Probing) => Promise<void>,
  splitter?: Splitter,
): Promise<void> {
  let context: LayerContext | undefined
  const prober: Layer = { name: 'prober', setup: (given) => void (context = given) }
  await staged(subject, { layers: [prober] }, async (stage) => {
    const served = stage.transport.backend(address, (peer) => void serve(peer))
    stage.transport.split(splitter)
    const abort = new AbortController()
    const { name } = subject.protocol()
    const target = { backend: backend(address), key: 'probed', listener: name, protocol: name }
    const outcome = (context as LayerContext).probe(target, abort.signal)
    outcome.catch(() => undefined)
    await body({ stage, abort, outcome })
    const [probe] = served.connections
    await settle(4)
    assert.ok(probe?.closed || probe?.ended, 'the connection of the probe was left open')
    for (const peer of served.connections) peer.destroy()
    served.close()
    await settle(4)
  })
}

function demandServing(subject: ProtocolSubject, splitter?: Splitter): Promise<void> {
  const { serving } = subject.ready as ReadySubject
  return probed(subject, serving, ({ outcome }) => within(outcome, 'a backend that serves to be found ready'), splitter)
}

/** What the probe failed with. */
async function failureOf(outcome: Promise<void>, how: string): Promise<GatewayError> {
  const settled = outcome.then(
    () => undefined,
    (error: unknown) => error,
  )
  const error = await within(settled, `the probe of a backend that ${how} to settle`)
  assert.ok(error !== undefined, `a backend that ${how} was found ready`)
  assert.ok(GatewayError.is(error) && isCoded(error), `a backend that ${how} gives ${inspect(error)}: no coded error`)
  return error
}

function demandNotYet(subject: ProtocolSubject, how: string, serve: Serve): Promise<void> {
  return probed(subject, serve, async ({ outcome }) => {
    const error = await failureOf(outcome, how)
    assert.ok(error.retryable, `a backend that ${how} gives ${error.code}, which is not retryable`)
  })
}

const checks: readonly Check<ProtocolSubject>[] = [
  {
    name: 'ready settles on a backend that serves, however its bytes are cut',
    run: async (subject) => {
      await demandServing(subject)
      await demandServing(subject, () => 1)
    },
  },
  {
    name: 'ready rejects with a retryable error on a backend that does not serve yet',
    run: async (subject) => {
      for (const [how, serve] of Object.entries(subject.ready?.notReady ?? {})) {
        await demandNotYet(subject, how, serve)
      }
    },
  },
  {
    name: 'ready rejects with a retryable error on a backend that closes or breaks off',
    run: async (subject) => {
      await demandNotYet(subject, 'closes', (peer) => peer.destroy())
      await demandNotYet(subject, 'ends', (peer) => peer.end())
      await demandNotYet(subject, 'breaks off', (peer) => peer.reset())
    },
  },
  {
    name: 'ready goes on with a backend that is silent until it is aborted',
    run: (subject) =>
      probed(
        subject,
        () => undefined,
        async ({ abort, outcome }) => {
          let settled = false
          const mark = (): void => void (settled = true)
          outcome.then(mark, mark)
          await settle()
          assert.ok(!settled, 'a backend that has said nothing was judged')
          abort.abort(new GatewayError('PROXY_BACKEND_TIMEOUT'))
          await failureOf(outcome, 'is silent')
        },
      ),
  },
  {
    name: 'ready takes no garbage for a backend that serves',
    run: (subject) =>
      probed(
        subject,
        (peer) => {
          peer.write(Buffer.alloc(512, 0xfe))
          peer.end()
        },
        async ({ outcome }) => void (await failureOf(outcome, 'answers garbage')),
      ),
  },
]

function unless({ ready, protocol }: ProtocolSubject): string | undefined {
  if (protocol().ready === undefined) return 'the protocol has no ready'
  return ready === undefined ? 'no backend that serves is described' : undefined
}

/** Checks of `Protocol.ready`. */
export const readyChecks: readonly Check<ProtocolSubject>[] = checks.map((check) => ({ ...check, unless }))
