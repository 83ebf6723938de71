import { createHash } from 'node:crypto'
import { describeNeeding, type PostfixServer, postfixServer, type SmtpSink, smtpSink } from '@proxy/test-servers'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { RawClient, sendInParts } from './raw.ts'
import { mail, openGateway, type TestGateway, to } from './setup.ts'

const megabytes = Number(process.env['PROXY_TEST_MAIL_MB'] ?? 25)

let postfix: PostfixServer
let sink: SmtpSink
let toPostfix: TestGateway
let toSink: TestGateway

const codes = (replies: readonly string[]): string => replies.map((reply) => reply.slice(0, 3)).join(' ')

describeNeeding(['postfix'], 'what is sent', () => {
  beforeAll(async () => {
    ;[postfix, sink] = await Promise.all([
      postfixServer({ settings: { smtpd_error_sleep_time: '0', smtpd_junk_command_limit: '100000' } }),
      smtpSink(),
    ])
    ;[toPostfix, toSink] = await Promise.all([openGateway(to(postfix)), openGateway(to(sink))])
  })
  afterEach(async () => {
    sink.messages.length = 0
    await postfix.clear()
  })
  afterAll(async () => {
    await toPostfix[Symbol.asyncDispose]()
    await toSink[Symbol.asyncDispose]()
    await Promise.all([postfix.stop(), sink.stop()])
  })

  test('pipelined: replies are in order', async () => {
    await using client = await RawClient.hello(toPostfix.port)
    const lines = [
      'NOOP',
      'MAIL FROM:<ann@client.test>',
      'RCPT TO:<>',
      'RCPT TO:<bob@alpha.test>',
      'NONSENSE',
      'RSET',
      'RCPT TO:<bob@alpha.test>',
      'VRFY bob@alpha.test',
      'QUIT',
    ]
    expect(codes(await client.pipeline(lines))).toBe('250 250 501 250 500 250 503 252 221')
  })

  test('pipelined with EHLO, before anybody has answered', async () => {
    await using client = await RawClient.connect(toPostfix.port)
    await client.reply()
    const lines = ['EHLO alpha.test', 'MAIL FROM:<ann@client.test>', 'RCPT TO:<bob@alpha.test>', 'DATA']
    expect(codes(await client.pipeline(lines))).toBe('250 250 250 354')
    expect(await client.command('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250 /)
  })

  test('in a long pipeline: 5,000 commands, cut anywhere', async () => {
    await using client = await RawClient.hello(toPostfix.port)
    const text = 'NOOP\r\nMAIL FROM:<ann@client.test>\r\nVRFY bob\r\nRSET\r\n'.repeat(1_250)
    const bytes = Buffer.from(text)
    const parts = Array.from({ length: 97 }, (_, i) =>
      bytes.subarray((i * bytes.length) / 97, ((i + 1) * bytes.length) / 97),
    )
    await sendInParts(client, parts)
    for (let i = 0; i < 5_000; i++)
      expect(await client.reply()).toMatch(['250 2.0.0', '250 2.1.0', '252 2.0.0', '250 2.0.0'][i % 4]!)
    expect(await client.command('QUIT')).toMatch(/^221/)
  })

  test('is the same, byte by byte: 8BITMIME', async () => {
    const body = Buffer.from(
      Array.from({ length: 256 }, (_, i) => i).filter((byte) => byte !== 0 && byte !== 10 && byte !== 13),
    )
    const content = Buffer.concat([Buffer.from('Subject: x\r\n\r\n'), body, Buffer.from('\r\n..dots\r\n...\r\n\r\n')])
    for (const gateway of [toPostfix, toSink]) {
      await using client = await RawClient.hello(gateway.port)
      expect(
        codes(await client.pipeline(['MAIL FROM:<ann@client.test> BODY=8BITMIME', 'RCPT TO:<bob@alpha.test>', 'DATA'])),
      ).toBe('250 250 354')
      client.send(Buffer.concat([content, Buffer.from('.\r\n')]))
      expect(await client.reply()).toMatch(/^250 /)
    }
    const unstuffed = Buffer.concat([body, Buffer.from('\r\n.dots\r\n..\r\n\r\n')])
    expect(sink.messages[0]!.data.subarray('Subject: x\r\n\r\n'.length)).toEqual(unstuffed)
    const [delivered] = await postfix.delivered()
    const stored = Buffer.from(unstuffed.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
    expect(delivered!.data.subarray(-stored.length)).toEqual(stored)
  })

  test('in UTF-8, addresses and headers too', async () => {
    const from = 'änn@grün.example'
    const recipient = '用户@例子.example'
    for (const gateway of [toPostfix, toSink]) {
      await using client = await RawClient.hello(gateway.port)
      expect(
        codes(await client.pipeline([`MAIL FROM:<${from}> BODY=8BITMIME SMTPUTF8`, `RCPT TO:<${recipient}>`, 'DATA'])),
      ).toBe('250 250 354')
      expect(await client.command('Subject: grüße 你好\r\n\r\nñ\r\n.')).toMatch(/^250 /)
    }
    const [delivered] = await postfix.delivered()
    expect(delivered).toMatchObject({ sender: from, recipient })
    expect(delivered!.data.toString()).toMatch(/with UTF8SMTP id[^]*Subject: grüße 你好\n[^]*\n\nñ\n$/)
    expect(sink.messages[0]).toMatchObject({ from, to: [recipient] })
    expect(sink.messages[0]!.data.toString()).toBe('Subject: grüße 你好\r\n\r\nñ\r\n')
  })

  test('as BDAT, by count: chunks of all sizes', async () => {
    await using client = await RawClient.hello(toPostfix.port)
    const head = Buffer.from('Subject: x\r\nFrom: a@b.test\r\n\r\n')
    const text = Buffer.from('.\r\n0123456789abcde\r\n'.repeat(20_000))
    const chunks = [
      head,
      text.subarray(0, 1),
      text.subarray(1, 3),
      text.subarray(3, 70_000),
      text.subarray(70_000, 70_001),
      text.subarray(70_001),
    ]
    await client.envelope()
    for (const chunk of chunks) client.send(Buffer.concat([Buffer.from(`BDAT ${chunk.length}\r\n`), chunk]))
    for (const _ of chunks) expect(await client.reply()).toMatch(/^250 /)
    expect(await client.command('BDAT 0 LAST')).toMatch(/^250 /)
    const [delivered] = await postfix.delivered()
    const stored = text.toString().replaceAll('\r\n', '\n')
    expect(delivered!.data.toString().endsWith(stored)).toBe(true)
  })

  test(`a message of ${megabytes} MB, without keeping it`, async () => {
    await using client = await RawClient.hello(toPostfix.port)
    await client.envelope()
    expect(await client.command('DATA')).toMatch(/^354/)
    const block = Buffer.from(`${'0123456789abcdef'.repeat(4)}\r\n`.repeat(1_000))
    const hash = createHash('sha256')
    const stored = Buffer.from(block.toString().replaceAll('\r\n', '\n'))
    const count = Math.ceil((megabytes * 1_048_576) / block.length)
    client.send('Subject: x\r\n\r\n')
    globalThis.gc?.()
    const before = process.memoryUsage()
    let most = 0
    for (let i = 0; i < count; i++) {
      await client.sent(block)
      hash.update(stored)
      const { external, heapUsed } = process.memoryUsage()
      most = Math.max(most, external + heapUsed - before.external - before.heapUsed)
    }
    expect(await client.command('.')).toMatch(/^250 /)
    // What is under way at any moment, and what was not collected yet.
    expect(most).toBeLessThan(16 * 1_048_576)
    const [delivered] = await postfix.delivered()
    const body = delivered!.data.subarray(-count * stored.length)
    expect(createHash('sha256').update(body).digest('hex')).toBe(hash.digest('hex'))
  })

  test('to 500 recipients, each with its reply', async () => {
    await using client = await RawClient.hello(toPostfix.port)
    const recipients = Array.from({ length: 500 }, (_, i) => `user-${i}@alpha.test`)
    const lines = ['MAIL FROM:<ann@client.test>', ...recipients.map((address) => `RCPT TO:<${address}>`), 'DATA']
    const replies = await client.pipeline(lines)
    expect(replies.at(-1)).toMatch(/^354/)
    expect(replies.slice(1, -1).every((reply) => reply.startsWith('250 2.1.5'))).toBe(true)
    expect(await client.command('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250 /)
    expect(new Set((await postfix.delivered()).map(({ recipient }) => recipient))).toEqual(new Set(recipients))
  })

  test('several mails on one connection, with RSET and refusals between them', async () => {
    await using client = await RawClient.hello(toPostfix.port)
    for (let i = 0; i < 5; i++) {
      await client.envelope(`dropped-${i}@client.test`)
      expect(await client.command('RSET')).toMatch(/^250/)
      expect(await client.command('DATA')).toMatch(/^503/)
      await client.envelope(`kept-${i}@client.test`)
      expect(await client.command('MAIL FROM:<nested@client.test>')).toMatch(/^503/)
      expect(await client.command('DATA')).toMatch(/^354/)
      expect(await client.command(`Subject: ${i}\r\n\r\nRSET\r\nQUIT\r\n.`)).toMatch(/^250/)
    }
    await client.command('EHLO alpha.test')
    await client.envelope('again@client.test')
    await client.command('EHLO alpha.test')
    expect(await client.command('DATA')).toMatch(/^503/)
    expect(await client.command('QUIT')).toMatch(/^221/)
    const mails = await postfix.delivered()
    expect(mails).toHaveLength(5)
    expect(new Set(mails.map(({ sender }) => sender))).toEqual(
      new Set([0, 1, 2, 3, 4].map((i) => `kept-${i}@client.test`)),
    )
    expect(mails[0]!.data.toString()).toContain('\n\nRSET\nQUIT\n')
  })

  test("refused by the backend at every step, in the backend's own words", async () => {
    const failure = { code: 452, text: '4.2.2 the box is full' }
    await using picky = await smtpSink({
      onSender: (address) => (address.startsWith('bad') ? { code: 550, text: '5.7.1 not you' } : undefined),
      onRecipient: (address) => (address.startsWith('bad') ? { code: 551, text: '5.1.6 moved' } : undefined),
      onMessage: ({ from }) => (from.startsWith('full') ? failure : undefined),
    })
    await using gateway = await openGateway(to(picky))
    await using client = await RawClient.hello(gateway.port)
    expect(await client.command('MAIL FROM:<bad@client.test>')).toBe('550 5.7.1 not you\r\n')
    await client.envelope('full@client.test')
    expect(await client.command('RCPT TO:<bad@alpha.test>')).toBe('551 5.1.6 moved\r\n')
    await client.command('DATA')
    expect(await client.command('x\r\n.')).toBe('452 4.2.2 the box is full\r\n')
    await client.envelope('ann@client.test')
    await client.command('DATA')
    expect(await client.command('x\r\n.')).toBe('250 2.0.0 taken as 1\r\n')
  })

  test('larger than the backend allows', async () => {
    await using small = await smtpSink({ server: { size: 10_000, rejectOversized: true } })
    await using gateway = await openGateway(to(small))
    await expect(mail(gateway.port, {}, { text: 'x'.repeat(20_000) })).rejects.toMatchObject({ responseCode: 552 })
    await using client = await RawClient.hello(gateway.port)
    expect(await client.command('MAIL FROM:<ann@client.test> SIZE=20000')).toMatch(/^552/)
    expect((await mail(gateway.port)).response).toMatch(/^250/)
  })
})
