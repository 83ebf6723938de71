import {
  type CertificateAuthority,
  certificateAuthority,
  describeNeeding,
  type Leaf,
  type PostfixServer,
  postfixServer,
  type SmtpSink,
  smtpSink,
} from '@proxy/test-servers'
import { tls } from '@proxy/tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { smuggled } from './corpus.ts'
import { RawClient, sendInParts } from './raw.ts'
import { scripted, usual } from './scripted.ts'
import { mail, openGateway, type TestGateway, to } from './setup.ts'

let authority: CertificateAuthority
let certificate: Leaf
let postfix: PostfixServer
let sink: SmtpSink

describeNeeding(['openssl', 'postfix'], 'STARTTLS', () => {
  beforeAll(async () => {
    authority = certificateAuthority()
    certificate = authority.server({ name: 'localhost' })
    ;[postfix, sink] = await Promise.all([postfixServer(), smtpSink()])
  })
  afterAll(async () => {
    await Promise.all([postfix.stop(), sink.stop()])
    authority.dispose()
  })

  const secured = () => ({ ca: authority.cert, servername: 'localhost' })
  const open = (server: { endpoint: string }): Promise<TestGateway> =>
    openGateway(to(server), { listener: { tls: tls({ mode: 'negotiated', certificates: [certificate] }) } })

  // CVE-2011-0411: what a third party puts behind STARTTLS must not be taken for what the client says when it is safe.
  const injected: [string, string][] = [
    ['a whole mail', `EHLO alpha.test\r\n${smuggled(0)}`],
    ['an envelope', 'EHLO alpha.test\r\nMAIL FROM:<evil@evil.test>\r\nRCPT TO:<bob@alpha.test>\r\n'],
    ['EHLO', 'EHLO evil.test\r\n'],
    ['half a command', 'MAIL FROM:<evil'],
    ['one byte', 'E'],
    ['an empty line', '\r\n'],
    ['a second STARTTLS', 'STARTTLS\r\n'],
    ['a login', 'AUTH PLAIN AGV2aWwAZXZpbA==\r\n'],
    ['a NUL', '\0'],
  ]

  describe.each([
    ['Postfix', () => postfix],
    ['smtp-server', () => sink],
  ] as const)('with commands behind it, before %s', (_, server) => {
    test.each(injected)('%s', async (_name, bytes) => {
      await using gateway = await open(server())
      await using client = await RawClient.hello(gateway.port)
      client.send(`STARTTLS\r\n${bytes}`)
      const said = await client.rest()
      expect(said).toMatch(/^(554 [^\r\n]*\r\n)?$/)
      expect(await delivered()).toEqual([])
      // Nothing of it stays for the next one.
      expect((await mail(gateway.port, { ignoreTLS: false, requireTLS: true, tls: secured() })).response).toMatch(
        /^250 /,
      )
      await forget()
    })

    test('cut anywhere', async () => {
      await using gateway = await open(server())
      const bytes = Buffer.from(`NOOP\r\nSTARTTLS\r\nEHLO alpha.test\r\n${smuggled(0)}`)
      for (let cut = 1; cut < 60; cut += 4) {
        await using client = await RawClient.hello(gateway.port)
        await sendInParts(client, [bytes.subarray(0, cut), bytes.subarray(cut)])
        // Behind the 220 it is no TLS, and ends the connection; before it, it is an injection.
        expect(await client.rest()).not.toMatch(/^(250-|354)/m)
      }
      expect(await delivered()).toEqual([])
    })
  })

  async function delivered(): Promise<string[]> {
    return [...(await postfix.delivered()).map(({ sender }) => sender), ...sink.messages.map(({ from }) => from)]
  }

  async function forget(): Promise<void> {
    sink.messages.length = 0
    await postfix.clear()
  }

  // The other direction: what a third party puts behind the backend's 220 must not be taken for its replies.
  test.each([
    ['a reply', '250 2.0.0 injected\r\n'],
    ['many replies', '250 ok\r\n'.repeat(10)],
    ['half a reply', '25'],
    ['an EHLO reply', '250-evil.test\r\n250 AUTH PLAIN\r\n'],
    ['a byte of TLS', '\u0016'],
  ])('of a backend that says %s behind its 220', async (_, bytes) => {
    await using backend = await scripted((line) =>
      line === 'STARTTLS'
        ? `220 go on\r\n${bytes}`
        : usual(line).replace('250 8BITMIME', '250-STARTTLS\r\n250 8BITMIME'),
    )
    const resolution = { endpoint: backend.endpoint, tls: { mode: 'negotiated' as const, ca: authority.cert } }
    await using gateway = await openGateway(() => resolution, { protocol: { readinessTimeoutMs: 1_000 } })
    await expect(mail(gateway.port)).rejects.toMatchObject({ responseCode: 421 })
    expect(backend.lines.filter((line) => !/^(EHLO|STARTTLS|QUIT)/.test(line))).toEqual([])
  })
})

describe('a backend that says more than it was asked', () => {
  /** `verb` is answered with `reply`, everything else as usual, and the final dot never. */
  async function submit(verb: string, reply: string): Promise<{ said: string; lines: readonly string[] }> {
    await using backend = await scripted((line) => {
      if (line.startsWith(verb)) return reply
      return /^(EHLO|MAIL|RCPT|DATA|QUIT)/.test(line) ? usual(line) : undefined
    })
    await using gateway = await openGateway(to(backend))
    await using client = await RawClient.connect(gateway.port)
    let said = ''
    for (const line of [
      '',
      'EHLO alpha.test',
      'MAIL FROM:<a@b.test>',
      'RCPT TO:<b@alpha.test>',
      'DATA',
      'x: y\r\n\r\nx\r\n.',
    ]) {
      if (line !== '') client.send(`${line}\r\n`)
      const answer = await client.reply()
      said += answer
      if (!/^[23]/.test(answer)) break
    }
    return { said, lines: backend.lines }
  }

  test.each([
    ['EHLO', '250 scripted.test\r\n250 2.1.0 early\r\n'],
    ['MAIL', '250 2.1.0 fine\r\n250 2.1.5 early\r\n'],
    ['RCPT', '250 2.1.5 fine\r\n354 early\r\n'],
    ['DATA', '354 go on\r\n250 2.0.0 early\r\n'],
    ['DATA', '354 go on\r\n250 2.0.0 early\r\n250 2.0.0 earlier\r\n'],
  ])('with %s is left, and no mail is acknowledged that it did not take: %j', async (verb, reply) => {
    const { said } = await submit(verb, reply)
    expect(said).toMatch(/^4[25]1 [^\r\n]*\r\n$/m)
    expect(said).not.toContain('early')
  })

  test('before the content has ended, is left with 4xx', async () => {
    await using backend = await scripted((line) =>
      /^(EHLO|MAIL|RCPT|DATA|early)/.test(line) ? usual(line) : undefined,
    )
    await using gateway = await openGateway(to(backend))
    await using client = await RawClient.hello(gateway.port)
    await client.envelope()
    await client.command('DATA')
    await sendInParts(
      client,
      ['early\r\n', 'x\r\n.\r\n'].map((text) => Buffer.from(text)),
    )
    expect(await client.reply()).toMatch(/^4[25]1 /)
  })

  test.each([
    ['a line without a code', 'nonsense\r\n'],
    ['a bare LF', '250 fine\n250 injected\r\n'],
    ['a bare CR', '250 fine\r250 injected\r\n'],
    ['a NUL', '250 fi\0ne\r\n'],
    ['two codes', '250-fine\r\n550 not\r\n'],
    ['a code of four digits', '2500 fine\r\n'],
    ['a line without an end', '2'.repeat(100_000)],
    ['a reply without an end', '250-x\r\n'.repeat(20_000)],
    ['a bare LF inside', '250-fine\n250 injected\r\n'],
  ])('as %s, is left with 4xx', async (_, reply) => {
    const { said } = await submit('MAIL', reply)
    expect(said).toMatch(/^4[25]1 [^\r\n]*\r\n$/m)
    expect(said).not.toMatch(/injected|nonsense|fine/)
  })
})
