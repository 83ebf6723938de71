import { type PostfixServer, describeNeeding, postfixServer, smtpSink } from '@proxy/test-servers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SmtpOptions } from '../src/index.ts'
import { ResolveError } from '@proxy/kernel'
import { contentOf, cutsOf, isHarmless, sender, type Smuggling, smuggled, smuggler, smugglings } from './corpus.ts'
import { laxServer } from './lax-server.ts'
import { RawClient, sendInParts } from './raw.ts'
import { openGateway, to } from './setup.ts'

/** A message in parts that arrive one by one. Returns what was answered from the 354 on. */
async function submit(port: number, from: string, begin: string, parts: readonly Buffer[]): Promise<string> {
  await using client = await RawClient.hello(port)
  await client.envelope(from)
  if (begin !== '') await client.command(begin)
  await sendInParts(client, parts)
  client.send('QUIT\r\n')
  return await client.rest()
}

interface Case {
  readonly name: string
  readonly id: number
  readonly parts: readonly Buffer[]
}

/** Every separator, cut everywhere when `everywhere`, else not at all. */
function casesOf(everywhere: boolean): Case[] {
  let id = 0
  return smugglings.flatMap((smuggling) =>
    (everywhere ? cutsOf(smuggling) : [0]).map((cut) => {
      const bytes = Buffer.from(contentOf(smuggling, ++id), 'latin1')
      return {
        name: smuggling.name,
        id,
        parts: [bytes.subarray(0, cut), bytes.subarray(cut)].filter((part) => part.length > 0),
      }
    }),
  )
}

/** Sends every case, several at a time. */
async function submitAll(port: number, cases: readonly Case[]): Promise<void> {
  const queue = [...cases]
  const work = async (): Promise<void> => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      await submit(port, sender(next.id), 'DATA', next.parts)
    }
  }
  await Promise.all(Array.from({ length: 8 }, work))
}

/** Names of the cases that came out as two messages, or as the smuggled one. */
function split(cases: readonly Case[], senders: readonly string[]): string[] {
  const bad = cases.filter(({ id }) => {
    const own = senders.filter((from) => from === sender(id)).length
    return own > 1 || senders.includes(smuggler(id))
  })
  return [...new Set(bad.map(({ name }) => name))]
}

/** Names of the cases of which nothing came out. */
function lost(cases: readonly Case[], senders: readonly string[]): string[] {
  const missing = cases.filter(({ id }) => !senders.includes(sender(id)))
  return [...new Set(missing.map(({ name }) => name))]
}

const names = (wanted: (smuggling: Smuggling) => boolean): string[] => smugglings.filter(wanted).map(({ name }) => name)

describe('each separator is one message for the gateway', () => {
  // Twice: routed at EHLO, and at the recipient, when the gateway itself has answered what came before.
  const routings: [string, SmtpOptions][] = [
    ['EHLO', {}],
    ['RCPT', { keys: ['recipient'] }],
  ]

  describeNeeding(['postfix'], 'and Postfix', () => {
    let server: PostfixServer

    beforeAll(async () => {
      // As it was before the attack was known; a newer one forbids both by default.
      const careless = { smtpd_forbid_bare_newline: 'no', smtpd_forbid_unauth_pipelining: 'no' }
      server = await postfixServer({ settings: { ...careless, smtpd_error_sleep_time: '0' } })
    })
    afterAll(() => server.stop())

    const senders = async (): Promise<string[]> => {
      const mails = await server.delivered()
      await server.clear()
      return mails.map((mail) => mail.sender)
    }

    test('which by itself takes some for two', async () => {
      const cases = casesOf(false)
      await submitAll(server.port, cases)
      const found = split(cases, await senders())
      expect(found).toEqual(expect.arrayContaining(['<LF>.<LF>', '<LF>.<CRLF>', '<CRLF>.<LF>']))
    })

    test.each(routings)('routed at %s', async (_, protocol) => {
      await using gateway = await openGateway(to(server), { protocol })
      const cases = casesOf(true)
      await submitAll(gateway.port, cases)
      const delivered = await senders()
      expect(split(cases, delivered)).toEqual([])
      expect(lost(cases, delivered)).toEqual(names((smuggling) => !isHarmless(smuggling)))
    })
  })

  test('and for smtp-server by itself, which ends a message at nothing but CRLF.CRLF', async () => {
    await using sink = await smtpSink()
    const cases = casesOf(false)
    await submitAll(sink.port, cases)
    const delivered = sink.messages.map(({ from }) => from)
    expect(split(cases, delivered)).toEqual([])
    expect(lost(cases, delivered)).toEqual([])
  })

  test.each(routings)('and smtp-server, routed at %s', async (_, protocol) => {
    await using sink = await smtpSink()
    await using gateway = await openGateway(to(sink), { protocol })
    const cases = casesOf(true)
    await submitAll(gateway.port, cases)
    const delivered = sink.messages.map(({ from }) => from)
    expect(split(cases, delivered)).toEqual([])
    expect(lost(cases, delivered)).toEqual(names((smuggling) => !isHarmless(smuggling)))
  })

  test.each(routings)('content behind a DATA that is refused is no command, routed at %s', async (_, protocol) => {
    await using sink = await smtpSink({ onRecipient: () => ({ code: 550, text: '5.1.1 nobody' }) })
    const resolve = ({ key }: { key: string }): string => {
      if (key === 'alpha.test') return sink.endpoint
      throw new ResolveError('NOT_FOUND')
    }
    await using gateway = await openGateway(resolve, { protocol })
    const content = `RSET\r\n${smuggled(0)}`
    for (const recipient of ['nobody@alpha.test', 'nobody@nobody.test', '', 'not an address']) {
      await using client = await RawClient.hello(gateway.port)
      client.send(`MAIL FROM:<${sender(0)}>\r\nRCPT TO:<${recipient}>\r\nDATA\r\n${content}QUIT\r\n`)
      const said = await client.rest()
      // No line of the content has an answer of its own.
      expect(said.match(/^\d{3} /gm)!.length, said).toBeLessThanOrEqual(4)
      expect(said).not.toMatch(/^354/m)
    }
  })

  test('and a server that is fooled by every one', async () => {
    await using server = await laxServer()
    const cases = casesOf(true)
    await submitAll(server.port, cases)
    expect(split(cases, server.senders.splice(0))).toEqual(
      names((it) => !isHarmless(it) || it.separator.includes('..')),
    )
    await using gateway = await openGateway(to(server))
    const defended = cases.filter(({ name }) => !names(isHarmless).includes(name))
    await submitAll(gateway.port, defended)
    expect(server.senders.filter((from) => from.startsWith('smuggled'))).toEqual([])
  })
})
