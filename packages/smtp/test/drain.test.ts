import { type SmtpSink, smtpSink } from '@proxy/test-servers'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { RawClient } from './raw.ts'
import { mail, openGateway, to } from './setup.ts'

let sink: SmtpSink

beforeAll(async () => {
  sink = await smtpSink()
})
afterEach(() => {
  sink.messages.length = 0
})
afterAll(() => sink.stop())

const goodbye = /^421 4\.3\.2 [^\r\n]*\r\n$/

test('sessions that ask for nothing are told 421', async () => {
  await using gateway = await openGateway(to(sink))
  const fresh = await RawClient.connect(gateway.port)
  await fresh.reply()
  const introduced = await RawClient.hello(gateway.port)
  const used = await RawClient.hello(gateway.port)
  await used.envelope()
  await used.command('DATA')
  expect(await used.command('x\r\n.')).toMatch(/^250/)
  const drained = gateway.gateway.drain()
  for (const client of [fresh, introduced, used]) {
    expect(await client.rest()).toMatch(goodbye)
    await client[Symbol.asyncDispose]()
  }
  await drained
  expect(sink.messages).toHaveLength(1)
})

test('a transaction is not cut, and its session ends behind it', async () => {
  await using gateway = await openGateway(to(sink))
  const [inEnvelope, inContent, idle] = [
    await RawClient.hello(gateway.port),
    await RawClient.hello(gateway.port),
    await RawClient.hello(gateway.port),
  ]
  await inEnvelope.envelope('one@client.test')
  await inContent.envelope('two@client.test')
  await inContent.command('DATA')
  inContent.send('Subject: x\r\n')
  const drained = gateway.gateway.drain()
  // Idle for no longer than the others, it shows when a drain would cut them.
  expect(await idle.rest()).toMatch(goodbye)
  expect(await inEnvelope.command('RCPT TO:<more@alpha.test>')).toMatch(/^250/)
  expect(await inEnvelope.command('DATA')).toMatch(/^354/)
  for (const client of [inEnvelope, inContent]) {
    expect(await client.command('\r\nx\r\n.')).toMatch(/^250/)
    expect(await client.rest()).toMatch(goodbye)
    await client[Symbol.asyncDispose]()
  }
  await drained
  await idle[Symbol.asyncDispose]()
  expect(sink.messages.map(({ from }) => from)).toEqual(['one@client.test', 'two@client.test'])
})

test('past the deadline every session ends, with 421 and without 250', async () => {
  await using gateway = await openGateway(to(sink))
  await using client = await RawClient.hello(gateway.port)
  await client.envelope()
  await client.command('DATA')
  client.send('half')
  await gateway.gateway.drain({ deadlineMs: 100 })
  expect(await client.rest()).toMatch(/^(421 4\.3\.2 [^\r\n]*\r\n)?$/)
  expect(sink.messages).toEqual([])
})

test('clients that send all the while lose nothing: each mail is acknowledged and taken, or neither', async () => {
  await using gateway = await openGateway(to(sink))
  const acknowledged: string[] = []
  let failed = 0
  const work = async (worker: number): Promise<void> => {
    for (let i = 0; ; i++) {
      const from = `mail-${worker}-${i}@client.test`
      try {
        await mail(gateway.port, {}, { from })
      } catch {
        failed++
        return
      }
      acknowledged.push(from)
    }
  }
  const workers = Promise.all([0, 1, 2, 3].map(work))
  while (acknowledged.length < 20) await new Promise((resolve) => setImmediate(resolve))
  await gateway.gateway.drain()
  await workers
  expect(failed).toBe(4)
  expect(new Set(sink.messages.map(({ from }) => from))).toEqual(new Set(acknowledged))
  expect(sink.messages).toHaveLength(acknowledged.length)
})
