import { describeNeeding, postfixServer, run, smtpSink } from '@proxy/test-servers'
import { expect, test } from 'vitest'
import { RawClient } from './raw.ts'
import { mail, openGateway, to } from './setup.ts'

const full = { code: 452, text: '4.2.2 the box is full' }
const onMessage = (_: unknown, recipient: string) => (recipient.startsWith('full') ? full : undefined)
const protocol = { lmtp: true }

test('every recipient has its own reply', async () => {
  await using sink = await smtpSink({ lmtp: true, onMessage })
  await using gateway = await openGateway(to(sink), { protocol })
  await using client = await RawClient.connect(gateway.port)
  expect(await client.reply()).toBe('220 gateway.test LMTP\r\n')
  expect(await client.command('LHLO alpha.test')).toMatch(/^250-/)
  for (let round = 0; round < 3; round++) {
    await client.envelope('ann@client.test', 'a@alpha.test', 'full@alpha.test', 'c@alpha.test')
    expect(await client.command('DATA')).toMatch(/^354/)
    client.send('Subject: x\r\n\r\nx\r\n.\r\nNOOP\r\n')
    expect(await client.reply()).toBe('250 2.1.5 <a@alpha.test> took it\r\n')
    expect(await client.reply()).toBe('452 4.2.2 the box is full\r\n')
    expect(await client.reply()).toBe('250 2.1.5 <c@alpha.test> took it\r\n')
    expect(await client.reply()).toMatch(/^250 /)
  }
  expect(sink.messages).toHaveLength(3)
})

test('EHLO is none of it, nor is LHLO of SMTP', async () => {
  await using sink = await smtpSink({ lmtp: true })
  await using gateway = await openGateway(to(sink), { protocol })
  await using client = await RawClient.connect(gateway.port)
  await client.reply()
  expect(await client.command('EHLO alpha.test')).toMatch(/^50\d /)
  expect(await client.command('HELO alpha.test')).toMatch(/^50\d /)
  await using smtp = await openGateway(to(sink))
  await using other = await RawClient.connect(smtp.port)
  await other.reply()
  expect(await other.command('LHLO alpha.test')).toMatch(/^50\d /)
})

test('nodemailer', async () => {
  await using sink = await smtpSink({ lmtp: true, onMessage })
  await using gateway = await openGateway(to(sink), { protocol })
  const sent = await mail(gateway.port, { lmtp: true }, { to: ['a@alpha.test', 'full@alpha.test'] })
  expect(sent.accepted).toEqual(['a@alpha.test'])
  expect(sent.rejectedErrors).toMatchObject([{ responseCode: 452 }])
})

describeNeeding(['postfix', 'smtp-source', 'swaks'], 'programs', () => {
  test('Postfix delivers to it, swaks and smtp-source send to it', async () => {
    await using sink = await smtpSink({ lmtp: true })
    await using gateway = await openGateway(to(sink), { protocol })
    const settings = { default_transport: `lmtp:inet:${gateway.endpoint}`, relayhost: '', virtual_mailbox_domains: '' }
    await using client = await postfixServer({ name: 'alpha.test', settings })
    await mail(client.port, {}, { to: ['a@else.test', 'b@else.test'] })
    await client.delivered()
    expect(sink.messages.flatMap((message) => message.to)).toEqual(['a@else.test', 'b@else.test'])
    const envelope = ['--from', 'a@b.test', '--to', 'c@alpha.test,d@alpha.test']
    expect((await run('swaks', ['--server', gateway.endpoint, '--protocol', 'LMTP', ...envelope])).code).toBe(0)
    const source = ['-L', '-s', '2', '-m', '20', '-r', '3', '-M', 'alpha.test', '-f', 'a@b.test', '-t', 'c@alpha.test']
    expect(await run('smtp-source', [...source, gateway.endpoint])).toMatchObject({ code: 0, stderr: '' })
    expect(sink.messages).toHaveLength(22)
  })

  test('Postfix sends to two tenants at once when each recipient goes by itself', async () => {
    await using alpha = await smtpSink({ lmtp: true })
    await using beta = await smtpSink({ lmtp: true })
    const resolve = ({ key }: { key: string }): string => (key === 'alpha.test' ? alpha.endpoint : beta.endpoint)
    await using gateway = await openGateway(resolve, { protocol: { ...protocol, keys: ['recipient'] } })
    const lmtp = { default_transport: `lmtp:inet:${gateway.endpoint}`, lmtp_destination_recipient_limit: '1' }
    const settings = { ...lmtp, relayhost: '', virtual_mailbox_domains: '' }
    await using client = await postfixServer({ name: 'client.test', settings })
    await mail(client.port, {}, { to: ['a@alpha.test', 'b@beta.test', 'c@alpha.test'] })
    await client.delivered()
    expect(alpha.messages.flatMap((message) => message.to).sort((a, b) => a.localeCompare(b))).toEqual([
      'a@alpha.test',
      'c@alpha.test',
    ])
    expect(beta.messages.map((message) => message.to)).toEqual([['b@beta.test']])
  })

  test('a recipient that is put off stays with Postfix, and the others are delivered once', async () => {
    let left = 2
    await using sink = await smtpSink({
      lmtp: true,
      onMessage: (_, recipient) => (recipient.startsWith('full') && left-- > 0 ? full : undefined),
    })
    await using gateway = await openGateway(to(sink), { protocol })
    const settings = { default_transport: `lmtp:inet:${gateway.endpoint}`, relayhost: '', virtual_mailbox_domains: '' }
    await using client = await postfixServer({ name: 'alpha.test', settings })
    await mail(client.port, {}, { to: ['a@else.test', 'full@else.test'] })
    await client.delivered()
    expect(sink.messages.map((message) => message.to)).toEqual([['a@else.test', 'full@else.test'], ['full@else.test']])
  })
})
