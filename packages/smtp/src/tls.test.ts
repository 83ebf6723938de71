import { type BackendTlsProvider, GatewayError } from '@proxy/kernel'
import { secureAsClient, settle, testTls, until } from '@proxy/testkit'
import { describe, expect, test } from 'vitest'
import { ClientPeer, SmtpStage, type StageOptions } from './__fixtures__/stage.ts'

const ready = '220 2.0.0 Ready to start TLS\r\n'
const plainHello = '250-gw\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-DSN\r\n250 STARTTLS\r\n'
const tlsHello = '250-gw\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-AUTH PLAIN\r\n250 DSN\r\n'
const backendHello = '250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-AUTH PLAIN\r\n250-STARTTLS\r\n250 DSN\r\n'
const negotiated: StageOptions = { listener: { tls: testTls() } }

async function secured(client: ClientPeer, command = 'STARTTLS\r\n', reply = ready): Promise<ClientPeer> {
  await client.says(command, reply)
  return new ClientPeer(await secureAsClient(client.peer, 'alpha.example'))
}

describe('STARTTLS', () => {
  test('keeps the backend, which is introduced anew', async () => {
    await using stage = await SmtpStage.open(negotiated)
    const client = await stage.greeted()
    client.peer.write('EHLO alpha\r\n')
    const backend = await stage.backend()
    await backend.opens('EHLO alpha\r\n', backendHello)
    await client.says('', plainHello)
    const inside = await secured(client)
    await inside.says('MAIL FROM:<>\r\n', '503 5.5.1 Introduce yourself first\r\n')
    await inside.says('STARTTLS\r\n', '503 5.5.1 TLS is on already\r\n')
    inside.peer.write('EHLO alpha\r\n')
    await backend.hears('EHLO alpha\r\n', backendHello)
    await inside.hears(tlsHello)
    expect(stage.connections('alpha')).toBe(1)
    expect(stage.requests.map(({ tls }) => tls?.serverName)).toEqual([undefined, 'alpha.example'])
  })

  test('leaves a backend on which somebody has tried to log in', async () => {
    await using stage = await SmtpStage.open({ ...negotiated, plainAuth: true })
    const client = await stage.greeted()
    client.peer.write('EHLO alpha\r\n')
    const first = await stage.backend()
    await first.opens('EHLO alpha\r\n', '250-mx\r\n250 AUTH PLAIN\r\n')
    await client.says('', '250-gw\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n')
    client.peer.write('AUTH PLAIN AGEAYg==\r\n')
    await first.hears('AUTH PLAIN AGEAYg==\r\n', '235 2.7.0 welcome\r\n')
    await client.hears('235 2.7.0 welcome\r\n')
    const inside = await secured(client)
    await first.hears('QUIT\r\n')
    inside.peer.write('EHLO alpha\r\n')
    await (await stage.backend()).opens('EHLO alpha\r\n', '250 mx\r\n')
    await inside.hears('250 gw\r\n')
  })

  test('hears nothing of a backend that leaves meanwhile', async () => {
    await using stage = await SmtpStage.open(negotiated)
    const client = await stage.greeted()
    client.peer.write('EHLO alpha\r\n')
    const first = await stage.backend()
    await first.opens('EHLO alpha\r\n', backendHello)
    await client.says('', plainHello)
    await client.says('STARTTLS\r\n', ready)
    first.peer.end('421 4.3.2 going down\r\n')
    await first.peer.closes()
    const inside = new ClientPeer(await secureAsClient(client.peer, 'alpha.example'))
    inside.peer.write('EHLO alpha\r\n')
    await (await stage.backend()).opens('EHLO alpha\r\n', backendHello)
    await inside.hears(tlsHello)
  })

  test('waits for the replies before it', async () => {
    await using stage = await SmtpStage.open(negotiated)
    const client = await stage.greeted()
    client.peer.write('EHLO alpha\r\n')
    const backend = await stage.backend()
    await backend.opens('EHLO alpha\r\n', backendHello)
    await client.says('', plainHello)
    client.peer.write('NOOP\r\nSTARTTLS\r\n')
    await backend.hears('NOOP\r\n', '250 2.0.0 hm\r\n')
    await secured(client, '', `250 2.0.0 hm\r\n${ready}`)
  })

  test.each([
    ['in one segment', ['STARTTLS\r\nEHLO alpha\r\n']],
    ['behind a command', ['NOOP\r\nSTARTTLS\r\nRSET\r\n']],
    ['while it waits', ['NOOP\r\nSTARTTLS\r\n', 'RSET\r\n']],
    ['half a command', ['STARTTLS\r\nE']],
  ])('with bytes behind it ends the session: %s', async (_name, pieces) => {
    await using stage = await SmtpStage.open(negotiated)
    const client = await stage.greeted()
    client.peer.write('EHLO alpha\r\n')
    const backend = await stage.backend()
    await backend.opens('EHLO alpha\r\n', backendHello)
    await client.says('', plainHello)
    for (const piece of pieces) {
      client.peer.write(piece)
      await settle(6)
    }
    if (pieces[0]!.startsWith('NOOP')) await backend.hears('NOOP\r\n', '250 2.0.0 Ok\r\n')
    await client.peer.ends()
    const said = client.peer.received.toString()
    expect(said).toMatch(/\r\n554 5\.5\.0 plain bytes before the TLS handshake\r\n$/)
    expect(said).not.toContain(ready)
    client.peer.end()
    expect((await stage.end()).outcome).toBe('relayed')
  })

  test('that is not followed by a handshake is given up', async () => {
    await using stage = await SmtpStage.open(negotiated)
    const client = await stage.greeted()
    await client.says('EHLO nobody\r\n', '550 5.1.2 no such tenant\r\n')
    await client.says('STARTTLS\r\n', ready)
    await stage.pass(33_000)
    await client.ends('')
    expect(await stage.end()).toMatchObject({ error: { code: 'PROXY_PEEK_TIMEOUT' } })
  })

  test('is not there without TLS', async () => {
    await using stage = await SmtpStage.open()
    const [client] = await stage.established()
    await client.says('STARTTLS\r\n', '502 5.5.1 TLS is not available\r\n')
  })

  test('may be required, and then nothing is routed before it', async () => {
    await using stage = await SmtpStage.open({ listener: { tls: testTls({ required: true }) } })
    const client = await stage.greeted()
    await client.says('EHLO alpha\r\n', '250-gw\r\n250 STARTTLS\r\n')
    for (const command of ['MAIL FROM:<>', 'RCPT TO:<a@b>', 'DATA', 'AUTH PLAIN AGEAYg==', 'BDAT 0']) {
      await client.says(`${command}\r\n`, '530 5.7.0 Must issue a STARTTLS command first\r\n')
    }
    expect(stage.requests).toEqual([])
    const inside = await secured(client)
    inside.peer.write('EHLO alpha\r\n')
    await (await stage.backend()).opens('EHLO alpha\r\n', '250 mx\r\n')
    await inside.hears('250 gw\r\n')
  })

  test('may tell the tenant', async () => {
    await using stage = await SmtpStage.open({ ...negotiated, keys: ['sni'] })
    const client = await stage.greeted()
    await client.says(
      'EHLO beta\r\n',
      '250-gw\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 STARTTLS\r\n',
    )
    await client.says('MAIL FROM:<>\r\n', '530 5.7.0 Must issue a STARTTLS command first\r\n')
    const inside = await secured(client)
    inside.peer.write('EHLO beta\r\n')
    await until(() => stage.requests.length === 1, 'the resolver to be asked')
    expect(stage.requests[0]!.key).toBe('alpha.example')
  })
})

/** Passes for TLS: from its beginning on, everything is said in clear text. */
const pretending: BackendTlsProvider = {
  async secure(link) {
    const tls = { version: 'TLSv1.3', cipher: '', serverName: undefined, alpn: undefined, certificate: undefined }
    return { link, tls }
  },
}

describe('STARTTLS towards the backend', () => {
  const options: StageOptions = { resolution: { tls: 'negotiated' }, backendTls: pretending }

  test('comes before the client is introduced, and before XCLIENT', async () => {
    await using stage = await SmtpStage.open({ ...options, xclient: true })
    const client = await stage.greeted()
    client.peer.write('HELO alpha\r\n')
    const backend = await stage.backend()
    await backend.opens('EHLO alpha\r\n', backendHello)
    await backend.hears('STARTTLS\r\n', '220 go\r\n')
    await backend.hears('EHLO alpha\r\n', '250-mx\r\n250 XCLIENT PROTO ADDR\r\n')
    await backend.hears('XCLIENT PROTO=SMTP ADDR=192.0.2.1\r\n', '220 mx\r\n')
    await backend.hears('HELO alpha\r\n', '250 mx\r\n')
    await client.hears('250 gw\r\n')
  })

  test.each(['220 go\r\n250 injected\r\n', '454 4.7.0 no\r\n', '250 yes\r\n'])('takes no %j', async (reply) => {
    await using stage = await SmtpStage.open(options)
    const client = await stage.greeted()
    client.peer.write('EHLO alpha\r\n')
    const backend = await stage.backend()
    await backend.opens('EHLO alpha\r\n', backendHello)
    await backend.hears('STARTTLS\r\n', reply)
    await client.ends('421 4.3.5 TLS with the backend failed\r\n')
    const { error } = await stage.end()
    expect(GatewayError.is(error) && error.code).toBe('PROXY_BACKEND_TLS')
    expect(backend.unheard).toBe('')
  })
})
