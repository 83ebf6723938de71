import { describeNeeding, type PostfixServer, postfixServer, type SmtpSink, smtpSink } from '@proxy/test-servers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RawClient } from './raw.ts'
import { mail, openGateway, type TestGateway } from './setup.ts'

/** Clients say by PROXY protocol where they come from, so that their addresses are not the gateway's own. */
const listener = { proxyProtocol: { trusted: ['127.0.0.0/8'] } }
const v4 = 'PROXY TCP4 203.0.113.9 198.51.100.1 4321 25\r\n'
const v6 = 'PROXY TCP6 2001:db8::9 2001:db8::1 4321 25\r\n'

async function submit(gateway: TestGateway, header: string, hello = 'EHLO alpha.test'): Promise<string> {
  await using client = await RawClient.connect(gateway.port)
  client.send(header)
  await client.reply()
  const introduced = await client.command(hello)
  if (!introduced.startsWith('250')) return introduced
  await client.envelope()
  await client.command('DATA')
  const answer = await client.command('Subject: x\r\n\r\nx\r\n.')
  await client.command('QUIT')
  return answer
}

describeNeeding(['postfix'], "the client's address", () => {
  let plain: PostfixServer
  let proxied: PostfixServer

  beforeAll(async () => {
    ;[plain, proxied] = await Promise.all([postfixServer(), postfixServer({ proxyProtocol: true })])
  })
  afterAll(async () => {
    await Promise.all([plain.stop(), proxied.stop()])
  })

  /** Postfix's own header about the one mail that it has. */
  async function receivedBy(server: PostfixServer): Promise<string> {
    const [mail] = await server.delivered()
    await server.clear()
    return /^Received: (from [^]*?)\n\tfor /.exec(mail!.data.toString())![1]!
  }

  test('is not known to a backend that is not told', async () => {
    await using gateway = await openGateway(() => plain.endpoint, { listener })
    expect(await submit(gateway, v4)).toMatch(/^250 /)
    expect(await receivedBy(plain)).toContain('[127.0.0.1]')
  })

  describe('by XCLIENT', () => {
    test.each([
      ['IPv4', v4, /^from alpha\.test \(unknown \[203\.0\.113\.9\]\)/],
      ['IPv6', v6, /^from alpha\.test \(unknown \[IPv6:2001:db8::9\]\)/],
    ])('%s', async (_, header, expected) => {
      await using gateway = await openGateway(() => plain.endpoint, { listener, protocol: { xclient: true } })
      expect(await submit(gateway, header)).toMatch(/^250 /)
      expect(await receivedBy(plain)).toMatch(expected)
    })

    test.each([
      ['EHLO', /with ESMTP id/],
      ['HELO', /with SMTP id/],
    ])('with %s, as the client said it', async (verb, expected) => {
      await using gateway = await openGateway(() => plain.endpoint, { listener, protocol: { xclient: true } })
      expect(await submit(gateway, v4, `${verb} alpha.test`)).toMatch(/^250 /)
      expect(await receivedBy(plain)).toMatch(expected)
    })

    test('of a resolution that asks for it', async () => {
      const resolution = () => ({ endpoint: plain.endpoint, metadata: { xclient: true } })
      await using gateway = await openGateway(resolution, { listener })
      await submit(gateway, v4)
      expect(await receivedBy(plain)).toContain('[203.0.113.9]')
    })

    test('mails of clients with a name in UTF-8 go through', async () => {
      await using gateway = await openGateway(() => plain.endpoint, {
        listener,
        protocol: { xclient: true, keys: ['recipient'] },
      })
      expect(await submit(gateway, v4, 'EHLO grün+=.test')).toMatch(/^250 /)
      expect(await receivedBy(plain)).toContain('[203.0.113.9]')
    })

    test('the client cannot say it itself, before or behind', async () => {
      await using gateway = await openGateway(() => plain.endpoint, { listener, protocol: { xclient: true } })
      await using client = await RawClient.connect(gateway.port)
      client.send(v4)
      await client.reply()
      expect(await client.command('XCLIENT ADDR=192.0.2.1')).toMatch(/^5/)
      expect(await client.command('EHLO alpha.test')).not.toContain('XCLIENT')
      expect(await client.command('XCLIENT ADDR=192.0.2.1')).toMatch(/^5/)
      await client.envelope()
      await client.command('DATA')
      await client.command('Subject: x\r\n\r\nx\r\n.')
      expect(await receivedBy(plain)).toContain('[203.0.113.9]')
    })

    test('a backend that takes none gets no mail', async () => {
      await using sink = await smtpSink()
      await using gateway = await openGateway(() => sink.endpoint, { listener, protocol: { xclient: true } })
      expect(await submit(gateway, v4)).toMatch(/^4[25]1 /)
      expect(sink.messages).toEqual([])
    })

    test('smtp-server', async () => {
      await using sink: SmtpSink = await smtpSink({ server: { useXClient: true } })
      await using gateway = await openGateway(() => sink.endpoint, { listener, protocol: { xclient: true } })
      expect(await submit(gateway, v4)).toMatch(/^250 /)
      expect(sink.messages[0]!.session.remoteAddress).toBe('203.0.113.9')
    })
  })

  test.each([1, 2] as const)('by PROXY protocol version %d', async (proxyProtocol) => {
    await using gateway = await openGateway(() => ({ endpoint: proxied.endpoint, proxyProtocol }), { listener })
    for (const [header, expected] of [
      [v4, '[203.0.113.9]'],
      [v6, '[IPv6:2001:db8::9]'],
    ] as const) {
      expect(await submit(gateway, header)).toMatch(/^250 /)
      expect(await receivedBy(proxied)).toContain(expected)
    }
  })

  test('of a client that came by itself', async () => {
    await using gateway = await openGateway(() => ({ endpoint: proxied.endpoint, proxyProtocol: 2 as const }))
    await mail(gateway.port)
    expect(await receivedBy(proxied)).toContain('[127.0.0.1]')
  })
})
