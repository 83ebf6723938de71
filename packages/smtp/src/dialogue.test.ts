import { pattern, settle, until } from '@proxy/testkit'
import { describe, expect, test } from 'vitest'
import { type BackendPeer, type ClientPeer, SmtpStage } from './__fixtures__/stage.ts'

const ok = '250 2.1.0 Ok\r\n'

async function envelope(client: ClientPeer, backend: BackendPeer): Promise<void> {
  client.peer.write('MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n')
  await backend.hears('MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n', `${ok}${ok}`)
  await client.hears(`${ok}${ok}`)
}

/** To where the backend awaits content. */
async function data(client: ClientPeer, backend: BackendPeer): Promise<void> {
  await envelope(client, backend)
  client.peer.write('DATA\r\n')
  await backend.hears('DATA\r\n', '354 go on\r\n')
  await client.hears('354 go on\r\n')
}

describe('before a tenant is known', () => {
  test('a client that speaks before it is greeted is refused', async () => {
    await using stage = await SmtpStage.open()
    const client = await stage.connect()
    client.peer.write('EHLO alpha\r\n')
    await client.ends('554 5.5.2 the client spoke before it was greeted\r\n')
    expect(stage.connections('alpha')).toBe(0)
  })

  test('also behind a PROXY protocol header', async () => {
    await using stage = await SmtpStage.open({ listener: { proxyProtocol: { trusted: ['192.0.2.0/24'] } } })
    const early = await stage.connect()
    early.peer.write('PROXY TCP4 198.51.100.7 203.0.113.1 4000 25\r\nEHLO alpha\r\n')
    await early.ends('554 5.5.2 the client spoke before it was greeted\r\n')
    const polite = await stage.connect()
    polite.peer.write('PROXY TCP4 198.51.100.7 203.0.113.1 4000 25\r\n')
    await polite.says('', '220 gw ESMTP\r\n')
    polite.peer.write('EHLO alpha\r\n')
    await until(() => stage.requests.length === 1, 'the resolver to be asked')
    expect(stage.requests[0]!.client).toEqual({ host: '198.51.100.7', port: 4000 })
  })

  test('an unknown tenant gets 550 5.1.2 on everything, and may leave in order', async () => {
    await using stage = await SmtpStage.open()
    const client = await stage.greeted()
    const no = '550 5.1.2 no such tenant\r\n'
    for (const command of ['EHLO nobody', 'HELO nobody', 'MAIL FROM:<>', 'RCPT TO:<x@y>', 'DATA']) {
      await client.says(`${command}\r\n`, no)
    }
    await client.says('QUIT\r\n', '221 2.0.0 Bye\r\n')
    await client.ends('')
    expect(await stage.end()).toMatchObject({ outcome: 'refused', error: { code: 'PROXY_RESOLVE_NOT_FOUND' } })
  })

  test.each(['EHLO [192.0.2.1]', 'HELO -', 'EHLO a..b'])('%s names no tenant', async (command) => {
    await using stage = await SmtpStage.open()
    const client = await stage.greeted()
    await client.says(`${command}\r\n`, '550 5.1.2 the connection does not say which tenant it is for\r\n')
  })

  test('what needs no tenant is answered here', async () => {
    await using stage = await SmtpStage.open()
    const client = await stage.greeted()
    await client.says('noop hello\r\n', '250 2.0.0 Ok\r\n')
    await client.says('RSET\r\n', '250 2.0.0 Ok\r\n')
    await client.says('VRFY bob\r\n', '252 2.5.0 Send some mail, it will be tried\r\n')
    await client.says('HELP\r\n', '214 2.0.0 See RFC 5321\r\n')
    await client.says('MAIL FROM:<>\r\n', '503 5.5.1 Introduce yourself first\r\n')
    await client.says('EHLO\r\n', '501 5.5.4 Syntax error in parameters\r\n')
    await client.says('XCLIENT ADDR=127.0.0.1\r\n', '500 5.5.1 Command unknown\r\n')
    await client.says('QUIT\r\n', '221 2.0.0 Bye\r\n')
    await client.ends('')
    expect(await stage.end()).toMatchObject({ outcome: 'answered', reason: 'done', error: undefined })
  })

  test.each([
    ['NOOP\n', '554 5.5.2 bare LF is not allowed\r\n'],
    ['NO\rOP\r\n', '554 5.5.2 bare CR is not allowed\r\n'],
    ['NOOP \0\r\n', '554 5.5.2 NUL is not allowed\r\n'],
    ['POST / HTTP/1.1\r\nQUIT\r\n', '554 5.5.1 this is a mail server\r\n'],
    ['Content-Type: text/plain\r\n\r\nQUIT\r\n', '554 5.5.1 this is a mail server\r\n'],
    [`NOOP ${'x'.repeat(512)}`, '500 5.5.2 the line is too long\r\n'],
  ])('%j ends the connection', async (line, reply) => {
    await using stage = await SmtpStage.open()
    const before = await stage.greeted()
    before.peer.write(line)
    await before.ends(reply)
    const [client] = await stage.established()
    client.peer.write(line)
    await client.ends(reply)
  })

  test('too many errors end the connection', async () => {
    await using stage = await SmtpStage.open({ maxErrors: 3 })
    const [client] = await stage.established()
    await client.says('FOO\r\nBAR\r\n', '500 5.5.1 Command unknown\r\n'.repeat(2))
    client.peer.write('BAZ\r\n')
    await client.ends('421 4.7.0 Too many errors\r\n')
  })
})

describe('the backend', () => {
  test('is tried again while it is starting', async () => {
    await using stage = await SmtpStage.open()
    const client = await stage.greeted()
    client.peer.write('EHLO alpha\r\n')
    ;(await stage.backend()).peer.end()
    await stage.pass(1_000)
    const second = await stage.backend()
    second.peer.end('421 4.3.2 starting\r\n')
    await stage.pass(1_000)
    await (await stage.backend()).opens()
    await client.hears('250-gw\r\n')
  })

  test('that says nothing is given up, with 421', async () => {
    await using stage = await SmtpStage.open({ readinessTimeoutMs: 3_000 })
    const client = await stage.greeted()
    client.peer.write('EHLO alpha\r\n')
    await stage.backend()
    await stage.pass(4_000)
    await client.ends('421 4.4.2 the backend took too long to answer\r\n')
    expect(await stage.end()).toMatchObject({ outcome: 'failed', error: { code: 'PROXY_BACKEND_TIMEOUT' } })
  })

  test.each(['554 go away\r\n', 'hello\r\n', '220 a\r\n250 b\r\n'])(
    'that greets with %j gets nothing',
    async (greeting) => {
      await using stage = await SmtpStage.open()
      const client = await stage.greeted()
      client.peer.write('EHLO alpha\r\n')
      const backend = await stage.backend()
      backend.peer.write(greeting)
      await client.peer.ends()
      expect(client.peer.received.toString()).toMatch(/\r\n421 4\.3\.2 [^\r]*\r\n$/)
      expect(backend.unheard).toBe('')
    },
  )

  test('that knows no EHLO is asked with HELO, on the same connection', async () => {
    await using stage = await SmtpStage.open()
    const client = await stage.greeted()
    client.peer.write('EHLO alpha\r\n')
    const backend = await stage.backend()
    await backend.opens('EHLO alpha\r\n', '502 5.5.1 what?\r\n')
    await client.says('', '502 5.5.1 what?\r\n')
    await client.says('MAIL FROM:<>\r\n', '503 5.5.1 Introduce yourself first\r\n')
    client.peer.write('HELO alpha\r\n')
    await backend.hears('HELO alpha\r\n', '250 mx.inside\r\n')
    await client.hears('250 gw\r\n')
    expect(stage.connections('alpha')).toBe(1)
  })

  test('changes with the name of the client', async () => {
    await using stage = await SmtpStage.open()
    const [client, first] = await stage.established()
    client.peer.write('EHLO beta\r\n')
    await first.hears('QUIT\r\n')
    await first.peer.ends()
    await (await stage.backend('beta')).opens('EHLO beta\r\n', '250 mx\r\n')
    await client.hears('250 gw\r\n')
    await client.says('EHLO nobody\r\n', '550 5.1.2 no such tenant\r\n')
    await client.says('MAIL FROM:<>\r\n', '550 5.1.2 no such tenant\r\n')
  })

  test('that leaves is a 421 for the client', async () => {
    await using stage = await SmtpStage.open()
    const [client, backend] = await stage.established()
    backend.peer.end()
    await client.ends('421 4.4.2 the backend closed the connection\r\n')
    expect(await stage.end()).toMatchObject({ outcome: 'relayed', reason: 'backend' })
  })

  test('may say goodbye itself', async () => {
    await using stage = await SmtpStage.open()
    const [client, backend] = await stage.established()
    backend.peer.write('421 4.4.2 idle\r\n')
    await client.ends('421 4.4.2 idle\r\n')
    expect(await stage.end()).toMatchObject({ outcome: 'relayed', reason: 'backend' })
  })

  test.each(['250 2.0.0 unasked\r\n', '250-a\r\n251 b\r\n', 'x', '250 a\n'].map((line) => [line.padEnd(4, '\n')]))(
    'that says %j is not passed on',
    async (line) => {
      await using stage = await SmtpStage.open()
      const [client, backend] = await stage.established()
      backend.peer.write(line)
      await client.ends('421 4.3.2 the backend answered with malformed bytes\r\n')
      expect(await stage.end()).toMatchObject({ reason: 'backend_reset' })
    },
  )

  test('has nothing to say with 250 to DATA', async () => {
    await using stage = await SmtpStage.open()
    const [client, backend] = await stage.established()
    await envelope(client, backend)
    client.peer.write('DATA\r\n')
    await backend.hears('DATA\r\n', '250 2.0.0 queued\r\n')
    await client.ends('421 4.3.2 the backend answered with malformed bytes\r\n')
  })

  test.each(['354 go on\r\n', '334 x\r\n'])('has nothing to say with %j to MAIL', async (reply) => {
    await using stage = await SmtpStage.open()
    const [client, backend] = await stage.established()
    client.peer.write('MAIL FROM:<>\r\n')
    await backend.hears('MAIL FROM:<>\r\n', reply)
    await client.ends('421 4.3.2 the backend answered with malformed bytes\r\n')
  })
})

describe('extensions', () => {
  test('those that cannot be relayed are not offered', async () => {
    await using stage = await SmtpStage.open({ plainAuth: true })
    await stage.established('250-gw\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-AUTH PLAIN\r\n250 DSN\r\n')
  })

  test('AUTH needs TLS', async () => {
    await using stage = await SmtpStage.open()
    const [client] = await stage.established()
    await client.says('AUTH PLAIN AGEAYg==\r\n', '538 5.7.11 Encryption required for authentication\r\n')
  })

  test('AUTH goes through, and its lines are no commands', async () => {
    await using stage = await SmtpStage.open({ plainAuth: true })
    const [client, backend] = await stage.established(
      '250-gw\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-AUTH PLAIN\r\n250 DSN\r\n',
    )
    await client.says('AUTH EXTERNAL =\r\n', '504 5.5.4 Authentication mechanism not supported\r\n')
    client.peer.write('AUTH PLAIN\r\n')
    await backend.hears('AUTH PLAIN\r\n', '334 \r\n')
    await client.hears('334 \r\n')
    client.peer.write('QUIT\r\n')
    await backend.hears('QUIT\r\n', '535 5.7.8 no\r\n')
    await client.says('', '535 5.7.8 no\r\n')
    client.peer.write('AUTH PLAIN AGEAYg==\r\n')
    await backend.hears('AUTH PLAIN AGEAYg==\r\n', '235 2.7.0 welcome\r\n')
    await client.hears('235 2.7.0 welcome\r\n')
    await client.says('AUTH PLAIN AGEAYg==\r\n', '503 5.5.1 Already authenticated\r\n')
  })

  test('XCLIENT tells the backend who the client is', async () => {
    await using stage = await SmtpStage.open({ xclient: true })
    const client = await stage.greeted()
    client.peer.write('EHLO alpha\r\n')
    const backend = await stage.backend()
    await backend.opens()
    await backend.hears('XCLIENT ADDR=192.0.2.1 HELO=alpha\r\n', '220 mx.inside\r\n')
    await backend.hears('EHLO alpha\r\n', '250 mx.inside\r\n')
    await client.hears('250 gw\r\n')
  })

  test('a backend that takes no XCLIENT gets no mail', async () => {
    await using stage = await SmtpStage.open({ resolution: { metadata: { xclient: true } } })
    const client = await stage.greeted()
    client.peer.write('EHLO alpha\r\n')
    await (await stage.backend()).opens('EHLO alpha\r\n', '250 mx.inside\r\n')
    await client.ends('421 4.3.2 the backend does not take the address of the client\r\n')
  })
})

describe('a message', () => {
  test('is passed on as it is pipelined, its content when the backend awaits it', async () => {
    await using stage = await SmtpStage.open()
    const [client, backend] = await stage.established()
    const group = 'MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n'
    client.peer.write(group)
    await backend.hears(group)
    backend.peer.write(`${ok}550 5.1.1 who?\r\n`)
    await client.hears(`${ok}550 5.1.1 who?\r\n`)
    backend.peer.write(`${ok}354 go on\r\n`)
    await client.hears(`${ok}354 go on\r\n`)
    const content = 'Subject: x\r\n\r\n..dot\r\n.\r\n'
    client.peer.write(`${content}MAIL FROM:<>\r\n`)
    await backend.hears(`${content}MAIL FROM:<>\r\n`, '250 2.0.0 queued\r\n')
    await client.hears('250 2.0.0 queued\r\n')
    backend.peer.write(ok)
    await client.hears(ok)
    client.peer.write('QUIT\r\n')
    await backend.hears('QUIT\r\n', '221 2.0.0 bye\r\n')
    await client.ends('221 2.0.0 bye\r\n')
    expect(backend.unheard).toBe('')
    expect(await stage.end()).toMatchObject({ outcome: 'relayed', reason: 'done', key: 'alpha' })
  })

  test('whose content holds a bare LF is never completed', async () => {
    await using stage = await SmtpStage.open()
    const [client, backend] = await stage.established()
    await data(client, backend)
    client.peer.write('hello\r\n')
    await backend.hears('hello\r\n')
    client.peer.write('x\n.\r\n.\r\nMAIL FROM:<>\r\n')
    await client.ends('554 5.5.2 bare LF is not allowed\r\n')
    await backend.peer.ends()
    expect(backend.unheard).toBe('')
  })

  test('that the backend did not take is not acknowledged', async () => {
    await using stage = await SmtpStage.open()
    const [client, backend] = await stage.established()
    await data(client, backend)
    client.peer.write('hello\r\n.\r\n')
    await backend.hears('hello\r\n.\r\n')
    backend.peer.reset()
    await client.ends('421 4.4.2 the backend closed the connection\r\n')
    expect(await stage.end()).toMatchObject({ outcome: 'relayed', reason: 'backend_reset' })
  })

  test.each([
    ['250 2.0.0 queued\r\n', '421 4.3.2 the backend answered with malformed bytes\r\n'],
    ['552 5.3.4 too large\r\n', '552 5.3.4 too large\r\n'],
  ])('in the middle of its content: %s', async (early, reply) => {
    await using stage = await SmtpStage.open()
    const [client, backend] = await stage.established()
    await data(client, backend)
    client.peer.write('hello\r\n')
    await backend.hears('hello\r\n', early)
    await client.ends(reply)
    await backend.peer.ends()
  })

  test('that was not waited for is not taken for commands', async () => {
    await using stage = await SmtpStage.open()
    const [client, backend] = await stage.established()
    await envelope(client, backend)
    client.peer.write('DATA\r\nRSET\r\n.\r\n')
    await backend.hears('DATA\r\n', '554 5.5.1 no\r\n')
    await client.ends('554 5.5.1 no\r\n554 5.5.0 Data was sent before it was asked for\r\n')
    expect(backend.unheard).not.toContain('RSET')
  })

  test('that was refused here is not taken for commands either', async () => {
    await using stage = await SmtpStage.open({ keys: ['recipient'] })
    const hello = '250-gw\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n'
    const client = await stage.greeted()
    await client.says('EHLO x\r\n', hello)
    client.peer.write('DATA\r\nMAIL FROM:<>\r\nRCPT TO:<bob@alpha>\r\n.\r\n')
    await client.ends('503 5.5.1 Need MAIL first\r\n554 5.5.0 Data was sent before it was asked for\r\n')
    const early = await stage.greeted()
    early.peer.write('DATA\r\nEHLO x\r\n.\r\n')
    await early.ends('503 5.5.1 Introduce yourself first\r\n554 5.5.2 data was sent before it was asked for\r\n')
    const patient = await stage.greeted()
    await patient.says('EHLO x\r\n', hello)
    await patient.says('DATA\r\n', '503 5.5.1 Need MAIL first\r\n')
    await patient.says('NOOP\r\n', '250 2.0.0 Ok\r\n')
    expect(stage.requests).toEqual([])
  })

  test('by BDAT goes by count', async () => {
    await using stage = await SmtpStage.open()
    const [client, backend] = await stage.established()
    await envelope(client, backend)
    const chunks = 'BDAT 9\r\n\n.\n\0QUIT\rBDAT 3 LAST\r\n.\r\n'
    client.peer.write(`${chunks}NOOP\r\n`)
    await backend.hears(`${chunks}NOOP\r\n`, `${ok}${ok}`)
    await client.hears(`${ok}${ok}`)
  })

  test('by BDAT is not acknowledged while it is on its way', async () => {
    await using stage = await SmtpStage.open()
    const [client, backend] = await stage.established()
    await envelope(client, backend)
    client.peer.write('BDAT 9 LAST\r\nabc')
    await backend.hears('BDAT 9 LAST\r\nabc', ok)
    await client.ends('421 4.3.2 the backend answered with malformed bytes\r\n')
  })

  test('by BDAT to a backend without CHUNKING is read and dropped', async () => {
    await using stage = await SmtpStage.open()
    const client = await stage.greeted()
    client.peer.write('EHLO alpha\r\n')
    const backend = await stage.backend()
    await backend.opens('EHLO alpha\r\n', '250 mx\r\n')
    await client.says('', '250 gw\r\n')
    await envelope(client, backend)
    await client.says('BDAT 6 LAST\r\nQUIT\r\n', '502 5.5.1 Command not supported here\r\n')
    client.peer.write('NOOP\r\n')
    await backend.hears('NOOP\r\n', ok)
    await client.hears(ok)
  })

  test.each(['BDAT x LAST', 'BDAT 99999999999999999999', 'BDAT -1', 'BDAT'])('%s ends the session', async (command) => {
    await using stage = await SmtpStage.open()
    const [client, backend] = await stage.established()
    await envelope(client, backend)
    client.peer.write(`${command}\r\nRSET\r\n`)
    await client.ends('501 5.5.4 Syntax error in parameters\r\n')
    expect(backend.unheard).not.toContain('RSET')
  })

  test('of any size waits for a backend that does not read', async () => {
    await using stage = await SmtpStage.open()
    const [client, backend] = await stage.established()
    await data(client, backend)
    backend.peer.pause()
    const content = Buffer.from(
      pattern(1_000_000)
        .toString('hex')
        .replaceAll(/(.{70})/g, '$1\r\n'),
    )
    client.peer.write(content)
    await settle(50)
    expect(client.peer.link.writable).toBe(false)
    backend.peer.resume()
    await until(() => backend.unheard.length >= content.length, 'the content')
    expect(backend.unheard).toBe(content.toString())
  })
})

describe('LMTP', () => {
  test('has a reply for each recipient that was taken', async () => {
    await using stage = await SmtpStage.open({ lmtp: true })
    const client = await stage.greeted('LMTP')
    await client.says('EHLO alpha\r\n', '500 5.5.1 Command unknown\r\n')
    client.peer.write('LHLO alpha\r\n')
    const backend = await stage.backend()
    await backend.opens('LHLO alpha\r\n')
    await client.says('', '250-gw\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 DSN\r\n')
    for (const end of ['.\r\n', 'BDAT 0 LAST\r\n']) {
      const group = `MAIL FROM:<>\r\n${'RCPT TO:<c@d>\r\n'.repeat(3)}${end === '.\r\n' ? 'DATA\r\n' : ''}`
      client.peer.write(group)
      const answers = `${ok}${ok}550 5.1.1 no\r\n${ok}${end === '.\r\n' ? '354 go\r\n' : ''}`
      await backend.hears(group, answers)
      await client.hears(answers)
      client.peer.write(end)
      await backend.hears(end, '250 2.0.0 first\r\n452 4.2.2 second\r\n')
      await client.hears('250 2.0.0 first\r\n452 4.2.2 second\r\n')
    }
    backend.peer.write('250 2.0.0 third\r\n')
    await client.ends('421 4.3.2 the backend answered with malformed bytes\r\n')
  })
})

describe('time', () => {
  test('a session on which nothing is said ends after five minutes', async () => {
    await using stage = await SmtpStage.open()
    const [client] = await stage.established()
    await stage.pass(299_000)
    expect(client.peer.ended).toBe(false)
    await stage.pass(2_000)
    await client.ends('421 4.4.2 nothing was said for too long\r\n')
    expect(await stage.end()).toMatchObject({ outcome: 'relayed', reason: 'idle_timeout' })
  })

  test('a message has twice as long', async () => {
    await using stage = await SmtpStage.open({ idleTimeoutMs: 10_000 })
    const [client, backend] = await stage.established()
    await data(client, backend)
    client.peer.write('.\r\n')
    await backend.hears('.\r\n')
    await stage.pass(19_000)
    backend.peer.write(ok)
    await client.hears(ok)
  })

  test('a drain ends what is idle at once', async () => {
    await using stage = await SmtpStage.open()
    const [client] = await stage.established()
    const drained = stage.gateway.drain({ deadlineMs: 10_000 })
    await client.ends('421 4.3.2 the gateway is shutting down\r\n')
    expect(await stage.end()).toMatchObject({ outcome: 'relayed', reason: 'drain' })
    await stage.pass(2_000)
    await drained
  })

  test('a drain ends who has only been greeted', async () => {
    await using stage = await SmtpStage.open()
    const client = await stage.greeted()
    const drained = stage.gateway.drain({ deadlineMs: 10_000 })
    await client.ends('421 4.3.2 the gateway is shutting down\r\n')
    expect(await stage.end()).toMatchObject({ outcome: 'refused', reason: 'drain' })
    await stage.pass(2_000)
    await drained
  })

  test('a drain waits for the message that is under way', async () => {
    await using stage = await SmtpStage.open()
    const [client, backend] = await stage.established()
    await envelope(client, backend)
    const drained = stage.gateway.drain({ deadlineMs: 10_000 })
    await stage.pass(2_000)
    client.peer.write('DATA\r\n')
    await backend.hears('DATA\r\n', '354 go\r\n')
    await client.hears('354 go\r\n')
    client.peer.write('x\r\n.\r\n')
    await backend.hears('x\r\n.\r\n', '250 2.0.0 queued\r\n')
    await client.ends('250 2.0.0 queued\r\n421 4.3.2 the gateway is shutting down\r\n')
    await stage.pass(2_000)
    await drained
  })

  test('at the deadline of a drain the message is given up', async () => {
    await using stage = await SmtpStage.open()
    const [client, backend] = await stage.established()
    await data(client, backend)
    client.peer.write('x\r\n')
    const drained = stage.gateway.drain({ deadlineMs: 2_000 })
    await stage.pass(5_000)
    await client.ends('421 4.3.2 the gateway is shutting down\r\n')
    await drained
    expect(backend.peer.ended || backend.peer.closed).toBe(true)
    expect(await stage.end()).toMatchObject({ reason: 'drain' })
  })
})

describe('a client that leaves', () => {
  test('after its last command still gets the answers', async () => {
    await using stage = await SmtpStage.open()
    const [client, backend] = await stage.established()
    client.peer.end('MAIL FROM:<>\r\nNOOP\r\n')
    await backend.hears('MAIL FROM:<>\r\nNOOP\r\n')
    await settle()
    backend.peer.write(`${ok}${ok}`)
    await client.hears(`${ok}${ok}`)
    await client.peer.ends()
    expect(await stage.end()).toMatchObject({ outcome: 'relayed', reason: 'client' })
    await backend.peer.ends()
  })

  test('in the middle of a message takes it along', async () => {
    await using stage = await SmtpStage.open()
    const [client, backend] = await stage.established()
    await data(client, backend)
    client.peer.end('hello\r\n.')
    await backend.peer.ends()
    expect(backend.unheard).toBe('hello\r\n.')
    expect(await stage.end()).toMatchObject({ reason: 'client' })
  })

  test('that breaks off is told so', async () => {
    await using stage = await SmtpStage.open()
    const [client, backend] = await stage.established()
    client.peer.reset()
    await backend.peer.ends()
    expect(await stage.end()).toMatchObject({ outcome: 'relayed', reason: 'client_reset' })
  })
})
