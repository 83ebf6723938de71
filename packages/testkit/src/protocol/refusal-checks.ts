import assert from 'node:assert/strict'
import { type ErrorCode, errorCodes, GatewayError, type Layer, type Resolution } from '@proxy/kernel'
import { show } from '../bytes.ts'
import type { Check } from '../check.ts'
import { deferred } from '../deferred.ts'
import type { Peer } from '../peer.ts'
import { settle, until } from '../waiting.ts'
import { demandNoSecrets, endpointOf, secretCause, type Stage, speak, staged } from './stage.ts'
import type { ProtocolFixture, ProtocolSubject } from './subject.ts'

const codes = Object.keys(errorCodes) as ErrorCode[]

/** Plays the first fixture, which fails on the way, and returns what the client was sent on top of `usual` bytes. */
async function refused(subject: ProtocolSubject, stage: Stage, usual: number): Promise<Buffer> {
  const client = await stage.connect()
  void speak(subject.fixtures[0] as ProtocolFixture, client).catch(() => undefined)
  const stays = (): boolean => subject.staysRefused === true && client.receivedBytes > usual
  await until(() => client.ended || client.closed || stays(), 'the refused client to be answered and closed')
  const bytes = client.received.subarray(usual)
  client.end()
  await settle(4)
  return bytes
}

/** How many bytes a client is sent before it is routed: a greeting, say. */
async function usualBytes(subject: ProtocolSubject): Promise<number> {
  let asked = false
  let usual = 0
  const waking = deferred<Resolution>()
  const resolve = (): Promise<Resolution> => {
    asked = true
    return waking.promise
  }
  await staged(subject, { resolve }, async (stage) => {
    const client: Peer = await stage.connect()
    void speak(subject.fixtures[0] as ProtocolFixture, client).catch(() => undefined)
    await until(() => asked, 'the resolver to be asked')
    await settle()
    usual = client.receivedBytes
  })
  return usual
}

function judge(subject: ProtocolSubject, bytes: Buffer, code: ErrorCode): void {
  demandNoSecrets(bytes, `the refusal for ${code}`)
  const { refusal } = subject
  if (refusal === undefined) {
    const silent = subject.protocol().refuse === undefined
    assert.ok(silent, 'the protocol has a `refuse`: give the kit `refusal`, which judges its bytes')
    assert.equal(bytes.length, 0, `bytes were sent for ${code} although the protocol refuses silently: ${show(bytes)}`)
    return
  }
  try {
    refusal(bytes, code)
  } catch (error) {
    throw new Error(`the refusal for ${code} is not well-formed: ${show(bytes)}: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

/** Fails every route with whatever `error` says at that moment. */
const failing = (error: () => unknown): Layer => ({
  name: 'failing',
  resolve: () => () => {
    throw error()
  },
})

/** Checks of `refuse`. */
export const refusalChecks: readonly Check<ProtocolSubject>[] = [
  {
    name: 'every error code gives well-formed refusal bytes without internal names',
    run: async (subject) => {
      const usual = await usualBytes(subject)
      let code: ErrorCode = 'PROXY_INTERNAL'
      const layers = [failing(() => new GatewayError(code, { cause: secretCause() }))]
      await staged(subject, { layers }, async (stage) => {
        for (code of codes) {
          // Nobody is there to be told.
          if (code === 'PROXY_CLIENT_GONE') continue
          judge(subject, await refused(subject, stage, usual), code)
        }
      })
    },
  },
  {
    name: 'a backend that refuses is reported without its address',
    run: async (subject) => {
      const usual = await usualBytes(subject)
      await staged(subject, {}, async (stage) => {
        stage.transport.fault(endpointOf(0), { refuse: true })
        const refusal = refused(subject, stage, usual)
        await stage.pass(60_000, () => stage.ends.length > 0)
        judge(subject, await refusal, 'PROXY_DIAL_REFUSED')
      })
    },
  },
  {
    name: 'a connection over the limit is refused in the same words',
    run: (subject) =>
      staged(subject, { limits: { maxConnections: 1 } }, async (stage) => {
        await stage.connect()
        await settle()
        const second = await stage.connect()
        await second.ends()
        judge(subject, second.received, 'PROXY_LIMIT_CONNECTIONS')
        second.end()
      }),
  },
]
