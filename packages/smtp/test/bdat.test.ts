import { randomBytes } from 'node:crypto'
import {
  describeNeeding,
  type PostfixServer,
  postfixServer,
  type SmtpSink,
  smtpSink,
  tcpBackend,
} from '@proxy/test-servers'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { sender, smuggled } from './corpus.ts'
import { RawClient, sendInParts } from './raw.ts'
import { openGateway, type TestGateway, to } from './setup.ts'

const begin = (id: number, recipient = 'bob@alpha.test'): string =>
  `MAIL FROM:<${sender(id)}>\r\nRCPT TO:<${recipient}>\r\n`

const chunk = (content: string, last = false): string => `BDAT ${content.length}${last ? ' LAST' : ''}\r\n${content}`

/** Says EHLO, then everything else at once, or cut in two. Returns what was answered. */
async function converse(port: number, text: string, cut = 0): Promise<string> {
  await using client = await RawClient.hello(port)
  const bytes = Buffer.from(`${text}QUIT\r\n`, 'latin1')
  await sendInParts(client, [bytes.subarray(0, cut), bytes.subarray(cut)])
  return await client.rest()
}

describeNeeding(['postfix'], 'BDAT to Postfix', () => {
  let server: PostfixServer
  let gateway: TestGateway

  beforeAll(async () => {
    const refused = 'check_recipient_access inline:{refused@alpha.test=REJECT}'
    server = await postfixServer({ settings: { smtpd_recipient_restrictions: refused, smtpd_error_sleep_time: '0' } })
    gateway = await openGateway(to(server))
  })
  afterEach(() => server.clear())
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await server.stop()
  })

  /** Sorted, as deliveries may overtake one another. */
  const senders = async (): Promise<string[]> => {
    const mails = await server.delivered()
    return mails.map((mail) => mail.sender).sort((a, b) => a.localeCompare(b))
  }

  test('commands inside a chunk are content, wherever the bytes are cut', async () => {
    const content = `Subject: one\r\n\r\none\r\n.\r\n${smuggled(0)}`
    const half = content.length >> 1
    const text = (id: number): string =>
      begin(id) +
      chunk(content.slice(0, half)) +
      chunk(content.slice(half, half + 3)) +
      chunk(content.slice(half + 3), true)
    let id = 0
    for (let cut = 0; cut < text(1).length; cut += 5) {
      const said = await converse(gateway.port, text(++id), cut)
      expect(said.match(/^\d{3}/gm)).toEqual(['250', '250', '250', '250', '250', '221'])
    }
    const mails = await server.delivered()
    expect(mails).toHaveLength(id)
    expect(new Set(mails.map((mail) => mail.sender)).size).toBe(id)
    for (const { data } of mails)
      expect(data.toString()).toContain(`\n\none\n.\n${smuggled(0).replaceAll('\r\n', '\n')}`)
  })

  test('messages behind one another in one segment are as many, in order', async () => {
    const text = [1, 2, 3].map((id) => begin(id) + chunk(`Subject: ${id}\r\n\r\n`) + chunk(`${id}\r\n`, true)).join('')
    const said = await converse(gateway.port, text)
    expect(said.match(/^\d{3}/gm)).toEqual([...Array<string>(12).fill('250'), '221'])
    expect(await senders()).toEqual([1, 2, 3].map(sender))
  })

  test('an empty chunk ends the message', async () => {
    await converse(gateway.port, begin(1) + chunk('Subject: x\r\n\r\nx\r\n') + chunk('', true))
    expect(await senders()).toEqual([sender(1)])
  })

  test.each([
    '-1',
    '+20',
    '0x20',
    '1e2',
    '2 0',
    '',
    'LAST',
    '20 LAST LAST',
    '20;LAST',
    '9'.repeat(20),
    '18446744073709551636',
  ])('nothing behind the impossible size %j is a command', async (size) => {
    await converse(gateway.port, `${begin(1)}BDAT ${size}\r\nRSET\r\n${smuggled(1)}`)
    expect(await senders()).toEqual([])
  })

  test.each([
    ['whose recipient was refused', begin(1, 'refused@alpha.test')],
    ['without a sender', ''],
    ['without a recipient', `MAIL FROM:<${sender(1)}>\r\n`],
  ])('the chunk of a message %s is no command', async (_, start) => {
    await converse(gateway.port, start + chunk(`RSET\r\n${smuggled(1)}`, true))
    expect(await senders()).toEqual([])
  })

  test('DATA behind BDAT is refused', async () => {
    const said = await converse(gateway.port, `${begin(1)}${chunk('Subject: x\r\n')}DATA\r\n`)
    expect(said).toMatch(/^503 /m)
    expect(await senders()).toEqual([])
  })

  test('BDAT behind DATA is content', async () => {
    const content = `Subject: x\r\n\r\nBDAT 5 LAST\r\nhello\r\nBDAT 0 LAST\r\n`
    await using client = await RawClient.hello(gateway.port)
    await client.envelope(sender(1))
    expect(await client.command('DATA')).toMatch(/^354/)
    client.send(`${content}.\r\nQUIT\r\n`)
    expect(await client.rest()).toMatch(/^250 [^]*221 /)
    const [mail] = await server.delivered()
    expect(mail!.data.toString()).toContain('BDAT 5 LAST\nhello\nBDAT 0 LAST\n')
  })

  test('a chunk that is left half sent delivers nothing', async () => {
    await using client = await RawClient.hello(gateway.port)
    await client.envelope(sender(1))
    client.send(`BDAT 4000 LAST\r\nRSET\r\n${smuggled(1)}`)
    client.end()
    await client.rest()
    expect(await senders()).toEqual([])
  })
})

test('chunks of any bytes arrive as they are', async () => {
  const received: Buffer[] = []
  const size = 300_000
  await using counting = await tcpBackend((socket) => {
    socket.write('220 counting.test ESMTP\r\n')
    let commands = ''
    let left = -1
    socket.on('data', (bytes) => {
      if (left < 0) {
        commands += bytes.toString('latin1')
        if (commands.endsWith('BDAT 300000 LAST\r\n')) left = size
        else if (/^EHLO .*\r\n$/.test(commands)) socket.write('250-counting.test\r\n250 CHUNKING\r\n')
        else if (/\nRCPT .*\r\n$/.test(commands)) socket.write('250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n')
        return
      }
      received.push(bytes)
      left -= bytes.length
      if (left <= 0) socket.write('250 2.0.0 Ok\r\n')
    })
  })
  await using gateway = await openGateway(to(counting))
  await using client = await RawClient.hello(gateway.port)
  await client.envelope()
  await sendInParts(client, [Buffer.from(`BDAT ${size} LAST\r\n`)])
  const content = randomBytes(size)
  content.write('\r\n.\r\nRSET\r\n\0\n.\n', 1_000)
  client.send(content)
  expect(await client.reply()).toMatch(/^250 /)
  expect(Buffer.concat(received).equals(content)).toBe(true)
})

test('a backend without CHUNKING takes no chunk for commands', async () => {
  await using sink: SmtpSink = await smtpSink()
  await using gateway = await openGateway(to(sink))
  await converse(gateway.port, begin(1) + chunk(`RSET\r\n${smuggled(1)}`, true))
  expect(sink.messages).toEqual([])
})
