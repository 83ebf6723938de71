import assert from 'node:assert/strict'
import type { Address, Binding, Link, Transport } from '@proxy/kernel'
import { until } from '../waiting.ts'
import { Recorder } from './recorder.ts'

export interface TransportSubject {
  /** A fresh transport for each check. */
  transport(): Transport | Promise<Transport>
  /** Where it can listen. Default 127.0.0.1. */
  readonly host?: string | undefined
  /**
   * Prepares an address whose dials are never answered, and lets time pass once `dialling` is under way. Without it
   * the connect timeout is not checked.
   */
  unanswered?(transport: Transport): { readonly address: Address; pass(ms: number): void }
}

/** The two ends of one connection, each with a recorder attached, both still paused. */
export interface Pair {
  readonly transport: Transport
  readonly dialled: Link
  readonly accepted: Link
}

export const never: AbortSignal = new AbortController().signal

export const hostOf = (subject: TransportSubject): string => subject.host ?? '127.0.0.1'

/** Runs `body` with a transport of its own. */
export async function withTransport(
  subject: TransportSubject,
  body: (transport: Transport) => Promise<void>,
): Promise<void> {
  const transport = await subject.transport()
  try {
    await body(transport)
  } finally {
    await transport.close?.()
  }
}

/** Listens and collects what is accepted. */
export async function listening(
  subject: TransportSubject,
  transport: Transport,
): Promise<{ binding: Binding; links: Link[] }> {
  const links: Link[] = []
  const acceptor = { onLink: (link: Link) => void links.push(link), onError: (error: Error) => assert.fail(error) }
  const binding = await transport.listen({ host: hostOf(subject), port: 0 }, acceptor)
  return { binding, links }
}

/** Runs `body` with one connection; both ends are gone afterwards. */
export async function withPair(subject: TransportSubject, body: (pair: Pair) => Promise<void>): Promise<void> {
  await withTransport(subject, async (transport) => {
    const { binding, links } = await listening(subject, transport)
    const dialled = await transport.connect({ ...binding.address, timeoutMs: 4_000 }, never)
    try {
      await until(() => links.length === 1, 'the connection to be accepted')
      await body({ transport, dialled, accepted: links[0] as Link })
    } finally {
      dialled.destroy()
      for (const link of links) link.destroy()
      await binding.close()
    }
  })
}

/** Runs `body` twice: once with the dialled end as `near`, once with the accepted one. */
export async function eachWay(
  subject: TransportSubject,
  body: (near: Link, far: Link) => Promise<void>,
): Promise<void> {
  await withPair(subject, ({ dialled, accepted }) => body(dialled, accepted))
  await withPair(subject, ({ dialled, accepted }) => body(accepted, dialled))
}

/** As `eachWay`, with a recorder on both ends, reading; their order of events is judged at the end. */
export async function recorded(
  subject: TransportSubject,
  body: (near: Recorder, far: Recorder) => Promise<void>,
): Promise<void> {
  await eachWay(subject, async (nearLink, farLink) => {
    const [near, far] = [new Recorder(nearLink), new Recorder(farLink)]
    await body(near, far)
    near.judge()
    far.judge()
  })
}
