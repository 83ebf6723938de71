import { describe, expect, test } from 'vitest'
import { type BackendPeer, type ClientPeer, SmtpStage } from './__fixtures__/stage.ts'

const ok = '250 2.1.0 Ok\r\n'
const offered = '250-gw\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n'
const offeredWithAuth = offered.replace('250 ENH', '250-ENH').concat('250 AUTH PLAIN LOGIN\r\n')
const mail = 'MAIL FROM:<a@b> BODY=8BITMIME\r\n'

async function introduced(stage: SmtpStage, reply: string): Promise<ClientPeer> {
  const client = await stage.greeted()
  await client.says('EHLO client.example\r\n', reply)
  return client
}

/** The backend is told what the client has said already. */
async function repeats(backend: BackendPeer, reply = ok): Promise<void> {
  await backend.opens('EHLO client.example\r\n')
  await backend.hears(mail, reply)
}

describe('by recipient', () => {
  const keys = { keys: ['recipient'] } as const

  test('the first recipient decides, and MAIL is repeated there', async () => {
    await using stage = await SmtpStage.open(keys)
    const client = await introduced(stage, offered)
    await client.says(mail, ok)
    expect(stage.requests).toEqual([])
    client.peer.write('RCPT TO:<bob@ALPHA> NOTIFY=NEVER\r\nRCPT TO:<carol@alpha>\r\nDATA\r\n')
    const backend = await stage.backend()
    await repeats(backend)
    await backend.hears('RCPT TO:<bob@ALPHA> NOTIFY=NEVER\r\nRCPT TO:<carol@alpha>\r\nDATA\r\n', `${ok}${ok}354 go\r\n`)
    await client.hears(`${ok}${ok}354 go\r\n`)
    expect(stage.requests).toMatchObject([{ key: 'alpha', attributes: { helo: 'client.example', recipient: 'alpha' } }])
  })

  test("another tenant's recipient is sent a message of its own, in the same session", async () => {
    await using stage = await SmtpStage.open(keys)
    const client = await introduced(stage, offered)
    client.peer.write(`${mail}RCPT TO:<bob@alpha>\r\nRCPT TO:<carol@beta>\r\nDATA\r\n`)
    const alpha = await stage.backend()
    await repeats(alpha)
    await alpha.hears('RCPT TO:<bob@alpha>\r\nDATA\r\n', `${ok}354 go\r\n`)
    await client.hears(`${ok}${ok}452 4.5.3 Send this recipient a message of its own\r\n354 go\r\n`)
    // The next message does not wait for the reply to this one.
    client.peer.write(`.\r\n${mail}RCPT TO:<carol@beta>\r\n`)
    await alpha.hears('.\r\n', ok)
    await client.hears(`${ok}${ok}`)
    await alpha.hears('QUIT\r\n')
    const beta = await stage.backend('beta')
    await repeats(beta)
    await beta.hears('RCPT TO:<carol@beta>\r\n', ok)
    await client.hears(ok)
  })

  test('a backend is kept for the next message, and looked for again when it has left', async () => {
    await using stage = await SmtpStage.open(keys)
    const client = await introduced(stage, offered)
    const sends = async (
      hear: (backend: BackendPeer) => Promise<void>,
      backend?: BackendPeer,
    ): Promise<BackendPeer> => {
      client.peer.write(`${mail}RCPT TO:<bob@alpha>\r\n`)
      const heard = backend ?? (await stage.backend())
      await hear(heard)
      await heard.hears('RCPT TO:<bob@alpha>\r\n', ok)
      await client.hears(`${ok}${ok}`)
      client.peer.write('RSET\r\n')
      await heard.hears('RSET\r\n', ok)
      await client.hears(ok)
      return heard
    }
    const first = await sends(repeats)
    await sends((backend) => backend.hears(mail, ok), first)
    first.peer.end('421 4.4.2 idle\r\n')
    await first.peer.closes()
    const second = await sends(repeats)
    expect(second).not.toBe(first)
    expect(stage.connections('alpha')).toBe(2)
  })

  test('who is not known is refused alone', async () => {
    await using stage = await SmtpStage.open(keys)
    const client = await introduced(stage, offered)
    await client.says('RCPT TO:<bob@alpha>\r\n', '503 5.5.1 Need MAIL first\r\n')
    await client.says(mail, ok)
    await client.says(mail, '503 5.5.1 Nested MAIL\r\n')
    await client.says('RCPT TO:<bob@nobody>\r\n', '550 5.1.2 no such tenant\r\n')
    await client.says('RCPT TO:<postmaster>\r\n', '550 5.1.2 the connection does not say which tenant it is for\r\n')
    await client.says('RCPT TO:bob@alpha\r\n', '501 5.5.4 Syntax error in parameters\r\n')
    await client.says('DATA\r\n', '503 5.5.1 Need RCPT first\r\n')
    await client.says('BDAT 6 LAST\r\nQUIT\r\n', '503 5.5.1 Need RCPT first\r\n')
    client.peer.write('RCPT TO:<bob@alpha>\r\n')
    const backend = await stage.backend()
    await repeats(backend)
    await backend.hears('RCPT TO:<bob@alpha>\r\n', ok)
    await client.hears(ok)
  })

  test('a backend that does not take MAIL is what the recipient hears of', async () => {
    await using stage = await SmtpStage.open(keys)
    const client = await introduced(stage, offered)
    await client.says(mail, ok)
    client.peer.write('RCPT TO:<bob@alpha>\r\n')
    await repeats(await stage.backend(), '451 4.7.1 greylisted\r\n')
    await client.hears('451 4.7.1 greylisted\r\n')
    await client.says('DATA\r\n', '503 5.5.1 Need RCPT first\r\n')
  })

  test('a backend that does not take EHLO makes no mail bounce', async () => {
    await using stage = await SmtpStage.open(keys)
    const client = await introduced(stage, offered)
    await client.says(mail, ok)
    client.peer.write('RCPT TO:<bob@alpha>\r\n')
    await (await stage.backend()).opens('EHLO client.example\r\n', '500 5.5.1 LHLO only\r\n')
    await client.hears('451 4.3.5 the backend does not take the greeting\r\n')
  })

  test('a backend that cannot be reached is a passing failure of that recipient', async () => {
    await using stage = await SmtpStage.open(keys)
    stage.transport.fault('10.0.0.1:25', { refuse: true })
    const client = await introduced(stage, offered)
    await client.says(mail, ok)
    await client.says('RCPT TO:<bob@alpha>\r\n', '451 4.4.1 the backend refused the connection\r\n')
    client.peer.write('RCPT TO:<carol@beta>\r\n')
    const beta = await stage.backend('beta')
    await repeats(beta)
    await beta.hears('RCPT TO:<carol@beta>\r\n', ok)
    await client.hears(ok)
  })

  test('AUTH has nobody to go to', async () => {
    await using stage = await SmtpStage.open({ ...keys, plainAuth: true })
    const client = await introduced(stage, offered)
    await client.says('AUTH PLAIN AGEAYg==\r\n', '503 5.5.1 Authentication is not available\r\n')
  })
})

describe('by user', () => {
  const keys = { keys: ['user'], plainAuth: true } as const
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  const plain = base64('\0bob@alpha\0secret')

  test.each([
    ['AUTH PLAIN with its response', `AUTH PLAIN ${plain}\r\n`, undefined],
    ['AUTH PLAIN that waits to be asked', 'AUTH PLAIN\r\n', `${plain}\r\n`],
  ])('%s goes to the domain of the user', async (_name, command, response) => {
    await using stage = await SmtpStage.open(keys)
    const client = await introduced(stage, offeredWithAuth)
    if (response === undefined) client.peer.write(command)
    else {
      await client.says(command, '334 \r\n')
      client.peer.write(response)
    }
    const backend = await stage.backend()
    await backend.opens('EHLO client.example\r\n')
    await backend.hears(`AUTH PLAIN ${plain}\r\n`, '235 2.7.0 welcome\r\n')
    await client.hears('235 2.7.0 welcome\r\n')
    expect(stage.requests).toMatchObject([{ key: 'alpha', attributes: { helo: 'client.example', user: 'bob@alpha' } }])
    expect(JSON.stringify(stage.requests)).not.toContain('secret')
    client.peer.write(mail)
    await backend.hears(mail, ok)
    await client.hears(ok)
  })

  test.each([true, false])('AUTH LOGIN, with the user in the command: %s', async (initial) => {
    await using stage = await SmtpStage.open(keys)
    const client = await introduced(stage, offeredWithAuth)
    const user = base64('bob.alpha')
    if (initial) client.peer.write(`AUTH LOGIN ${user}\r\n`)
    else {
      await client.says('AUTH LOGIN\r\n', '334 VXNlcm5hbWU6\r\n')
      client.peer.write(`${user}\r\n`)
    }
    const backend = await stage.backend()
    await backend.opens('EHLO client.example\r\n')
    await backend.hears('AUTH LOGIN\r\n', '334 VXNlcm5hbWU6\r\n')
    await backend.hears(`${user}\r\n`, '334 UGFzc3dvcmQ6\r\n')
    await client.hears('334 UGFzc3dvcmQ6\r\n')
    client.peer.write(`${base64('secret')}\r\n`)
    await backend.hears(`${base64('secret')}\r\n`, '235 2.7.0 welcome\r\n')
    await client.hears('235 2.7.0 welcome\r\n')
  })

  test("who is refused may be another tenant's user", async () => {
    await using stage = await SmtpStage.open(keys)
    const client = await introduced(stage, offeredWithAuth)
    client.peer.write(`AUTH PLAIN ${plain}\r\n`)
    const alpha = await stage.backend()
    await alpha.opens('EHLO client.example\r\n')
    await alpha.hears(`AUTH PLAIN ${plain}\r\n`, '535 5.7.8 no\r\n')
    await client.hears('535 5.7.8 no\r\n')
    const other = base64('\0eve@beta\0secret')
    client.peer.write(`AUTH PLAIN ${other}\r\n`)
    const beta = await stage.backend('beta')
    await beta.opens('EHLO client.example\r\n')
    await beta.hears(`AUTH PLAIN ${other}\r\n`, '235 2.7.0 welcome\r\n')
    await client.hears('235 2.7.0 welcome\r\n')
  })

  test('nobody else gets anywhere', async () => {
    await using stage = await SmtpStage.open(keys)
    const client = await introduced(stage, offeredWithAuth)
    await client.says(mail, '530 5.7.0 Authentication required\r\n')
    await client.says('AUTH SCRAM-SHA-256 biws\r\n', '504 5.5.4 Authentication mechanism not supported\r\n')
    await client.says('AUTH PLAIN !\r\n', '501 5.5.4 Syntax error in parameters\r\n')
    await client.says(
      `AUTH PLAIN ${base64('\0bob\0secret')}\r\n`,
      '550 5.1.2 the connection does not say which tenant it is for\r\n',
    )
    await client.says(`AUTH PLAIN ${base64('\0a@nobody\0b')}\r\n`, '550 5.1.2 no such tenant\r\n')
    await client.says('AUTH LOGIN\r\n', '334 VXNlcm5hbWU6\r\n')
    await client.says('*\r\n', '501 5.0.0 Authentication cancelled\r\n')
    expect(stage.connections('alpha') + stage.connections('beta')).toBe(0)
  })

  test('behind it another source serves those who do not log in', async () => {
    await using stage = await SmtpStage.open({ ...keys, keys: ['user', 'helo'] })
    const client = await stage.greeted()
    await client.says('EHLO alpha\r\n', offeredWithAuth)
    client.peer.write(mail)
    const backend = await stage.backend()
    await backend.opens()
    await backend.hears(mail, ok)
    await client.hears(ok)
    // Another name is another tenant, also where nothing is routed before MAIL.
    await client.says('EHLO beta\r\n', offeredWithAuth)
    client.peer.write(mail)
    const other = await stage.backend('beta')
    await other.opens('EHLO beta\r\n')
    await other.hears(mail, ok)
    await client.hears(ok)
  })

  test('who was refused is nobody', async () => {
    await using stage = await SmtpStage.open({ ...keys, keys: ['user', 'helo'] })
    const client = await stage.greeted()
    await client.says('EHLO beta\r\n', offeredWithAuth)
    client.peer.write(`AUTH PLAIN ${plain}\r\n`)
    const alpha = await stage.backend()
    await alpha.opens('EHLO beta\r\n')
    await alpha.hears(`AUTH PLAIN ${plain}\r\n`, '535 5.7.8 no\r\n')
    await client.hears('535 5.7.8 no\r\n')
    client.peer.write(mail)
    const beta = await stage.backend('beta')
    await beta.opens('EHLO beta\r\n')
    await beta.hears(mail, ok)
    await client.hears(ok)
  })
})
