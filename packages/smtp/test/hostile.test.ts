import { limits } from '@proxy/kernel/layers'
import { settle, until } from '@proxy/testkit'
import { type SmtpSink, smtpSink } from '@proxy/test-servers'
import fc from 'fast-check'
import net from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { exchange, RawClient, sendInParts } from './raw.ts'
import { scripted, usual } from './scripted.ts'
import { mail, openGateway, type TestGateway, to } from './setup.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

let sink: SmtpSink
let gateway: TestGateway

beforeAll(async () => {
  sink = await smtpSink()
  gateway = await openGateway(to(sink), { listener: { limits: { handshakeTimeoutMs: 500 } } })
})
afterEach(async () => {
  expect((await mail(gateway.port)).response).toMatch(/^250/)
  sink.messages.length = 0
  await until(
    () => sink.connections === 0,
    () => `the end of ${sink.connections} connections to the backend`,
  )
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await sink.stop()
})

/** What is said behind the greeting. */
async function said(bytes: string | Uint8Array, hello = false): Promise<string> {
  await using client = await RawClient.connect(gateway.port)
  await client.reply()
  if (hello) await client.command('EHLO alpha.test')
  client.send(bytes)
  return await client.rest()
}

test('who speaks before the greeting gets 554', async () => {
  await using client = await RawClient.connect(gateway.port)
  client.send('EHLO alpha.test\r\n')
  expect(await client.rest()).toMatch(/^554 5\.5\.\d [^\r\n]*\r\n$/)
})

describe.each([
  ['before EHLO', false],
  ['behind EHLO', true],
])('%s', (_, hello) => {
  test.each<[string, string | Uint8Array, RegExp]>([
    ['a line without an end', 'x'.repeat(100_000), /^500 5\.5\.2 /],
    ['a command that is too long', `NOOP ${'x'.repeat(600)}\r\n`, /^500 5\.5\.2 /],
    ['a recipient that is too long', `RCPT TO:<${'x'.repeat(3_000)}@alpha.test>\r\n`, /^500 5\.5\.2 /],
    ['a password that is too long', `AUTH PLAIN ${'x'.repeat(20_000)}\r\n`, /^500 5\.5\.2 /],
    ['a NUL', 'NOOP\0\r\n', /^554 5\.5\.2 /],
    ['a bare LF', 'NOOP\n', /^554 5\.5\.2 /],
    ['a bare CR', 'NOOP\rNOOP\r\n', /^554 5\.5\.2 /],
    ['a thousand errors', 'NONSENSE\r\n'.repeat(1_000), /^500 [^]*421 4\.7\.0 [^\r\n]*\r\n$/],
  ])('%s gets an error of its own', async (_name, bytes, expected) => {
    const answer = await said(bytes, hello)
    expect(answer).toMatch(expected)
    expect(answer.length).toBeLessThan(2_000)
    expect(sink.messages).toEqual([])
  })
})

test('what is another protocol is ended', async () => {
  for (const hello of [false, true]) {
    // What a browser can be made to send.
    const request = `POST / HTTP/1.1\r\nHost: a\r\n\r\nEHLO alpha.test\r\nMAIL FROM:<a@b.test>\r\n`
    expect(await said(request, hello)).toMatch(/^(221|421|554) [^\r\n]*\r\n$/)
  }
  expect(await said(Buffer.from('16030100ff010000fb0303', 'hex'))).toMatch(/^421 /)
})

test('nothing at all is ended by the deadline, with 421', async () => {
  expect(await said('')).toMatch(/^421 4\.4\.2 /)
  expect(await said('EH')).toMatch(/^421 4\.4\.2 /)
})

test('who says nothing behind EHLO is ended by the idle timeout, with 421', async () => {
  await using idle = await openGateway(to(sink), { protocol: { idleTimeoutMs: 200 } })
  await using client = await RawClient.hello(idle.port)
  await client.envelope()
  expect(await client.rest()).toMatch(/^421 4\.4\.2 /)
})

test('a client that sends byte by byte is served', async () => {
  await using client = await RawClient.connect(gateway.port)
  await client.reply()
  const text = 'EHLO alpha.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@alpha.test>\r\nDATA\r\n'
  await sendInParts(
    client,
    [...text].map((byte) => Buffer.from(byte)),
  )
  for (let i = 0; i < 4; i++) expect(await client.reply()).toMatch(/^(250|354)/)
  await sendInParts(
    client,
    [...'x: y\r\n\r\n..\r\n.\r\n'].map((byte) => Buffer.from(byte)),
  )
  expect(await client.reply()).toMatch(/^250/)
  expect(sink.messages[0]!.data.toString()).toBe('x: y\r\n\r\n.\r\n')
})

test('a client that does not read is not buffered for', async () => {
  await using client = await RawClient.hello(gateway.port)
  client.pause()
  const noops = Buffer.from('NOOP\r\n'.repeat(10_000))
  const sent: Promise<void>[] = []
  for (let i = 0; i < 200; i++) sent.push(client.sent(noops))
  const before = process.memoryUsage().rss
  await settle(200)
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1_048_576)
  client.reset()
  await Promise.allSettled(sent)
})

test('a backend that does not read is not buffered for', async () => {
  await using deaf = await scripted((line, socket) => {
    if (line === 'DATA') socket.pause()
    return usual(line)
  })
  await using target = await openGateway(to(deaf))
  await using client = await RawClient.hello(target.port)
  await client.envelope()
  await client.command('DATA')
  const before = process.memoryUsage().rss
  const block = Buffer.from(`${'x'.repeat(78)}\r\n`.repeat(1_000))
  const sent: Promise<void>[] = []
  for (let i = 0; i < 1_000; i++) sent.push(client.sent(block))
  await settle(200)
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1_048_576)
  client.reset()
  await Promise.allSettled(sent)
})

test('random bytes', async () => {
  const known = [
    '',
    'EHLO alpha.test\r\n',
    'EHLO alpha.test\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n',
    'EHLO a\r\nBDAT 9\r\n',
  ]
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...known),
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      async (head, bytes) => {
        const socket = net.connect(gateway.port, '127.0.0.1')
        socket.on('error', () => undefined)
        await once(socket, 'data')
        socket.end(Buffer.concat([Buffer.from(head), bytes]))
        socket.resume()
        await once(socket, 'close')
      },
    ),
    { numRuns: 100 },
  )
})

describe('limits', () => {
  test('connections over the limit of the listener get 421', async () => {
    await using small = await openGateway(to(sink), { listener: { limits: { maxConnections: 2 } } })
    const held = [await RawClient.hello(small.port), await RawClient.hello(small.port)]
    expect(await exchange(small.port, '')).toMatch(/^421 4\.7\.0 /)
    for (const client of held) await client[Symbol.asyncDispose]()
  })

  test('connections over the limit of a tenant get 421, those of others do not', async () => {
    await using small = await openGateway(to(sink), { layers: [limits({ maxConnectionsPerKey: 1 })] })
    await using held = await RawClient.hello(small.port)
    await expect(mail(small.port)).rejects.toMatchObject({ response: expect.stringMatching(/^421 4\.7\.0 /) as string })
    await mail(small.port, { name: 'beta.test' })
    await held.command('QUIT')
  })
})

test('2,000 clients that break off anywhere leave nothing, and harm nobody', { timeout: 60_000 }, async () => {
  await using light = await scripted(usual, () => '220 scripted.test ESMTP\r\n')
  await using target = await openGateway(({ key }) => (key === 'alpha.test' ? light.endpoint : sink.endpoint))
  const text = 'EHLO alpha.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@alpha.test>\r\nDATA\r\nx: y\r\n\r\nhello'
  const drop = async (cut: number): Promise<void> => {
    const socket = net.connect(target.port, '127.0.0.1')
    socket.on('error', () => undefined)
    await once(socket, 'data')
    socket.write(text.slice(0, cut % text.length))
    await settle(2)
    if (cut % 2 === 0) socket.resetAndDestroy()
    else socket.destroy()
    await once(socket, 'close')
  }
  let dropped = 0
  const work = async (): Promise<void> => {
    while (dropped < 2_000) await drop(dropped++)
  }
  await drop(80)
  collect()
  const before = process.memoryUsage()
  let good = 0
  const traffic = async (): Promise<void> => {
    while (dropped < 2_000) {
      await mail(target.port, { name: 'beta.test' })
      good++
    }
  }
  await Promise.all([...Array.from({ length: 20 }, work), traffic()])
  expect(good).toBeGreaterThan(0)
  expect(sink.messages).toHaveLength(good)
  await until(() => target.gateway.stats().sessions === 0, 'the end of every session')
  await until(() => light.sockets.every((socket) => socket.destroyed), 'the end of every connection to the backend')
  collect()
  const grown = process.memoryUsage().heapUsed + process.memoryUsage().external - before.heapUsed - before.external
  expect(grown).toBeLessThan(16 * 1_048_576)
})
