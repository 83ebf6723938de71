import type { ResolveFunction } from '@proxy/kernel'
import { ResolveError } from '@proxy/kernel'
import { describeNeeding, type PostfixServer, postfixServer, run, type SmtpSink, smtpSink } from '@proxy/test-servers'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { SmtpOptions } from '../src/index.ts'
import { keywords, RawClient } from './raw.ts'
import { envelope, mail, openGateway, swaks, type TestGateway } from './setup.ts'

const users = [{ name: 'ann@beta.test', password: 'right' }]

let alpha: PostfixServer | SmtpSink
let beta: SmtpSink

/** Two tenants; no other is known. */
const tenants: ResolveFunction = ({ key }) => {
  if (key === 'alpha.test') return alpha.endpoint
  if (key === 'beta.test') return beta.endpoint
  throw new ResolveError('NOT_FOUND')
}

const gatewayFor = (protocol: SmtpOptions): Promise<TestGateway> => openGateway(tenants, { protocol })

describeNeeding(['postfix'], 'with a Postfix and an smtp-server behind it', () => {
  let postfix: PostfixServer
  let gateway: TestGateway

  beforeAll(async () => {
    alpha = postfix = await postfixServer({ name: 'alpha-mx.test' })
    beta = await smtpSink({ name: 'beta-mx.test' })
    gateway = await openGateway(tenants)
  })
  afterEach(async () => {
    beta.messages.length = 0
    await postfix.clear()
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await Promise.all([postfix.stop(), beta.stop()])
  })

  const received = async (): Promise<{ alpha: string[]; beta: string[] }> => ({
    alpha: (await postfix.delivered()).map(({ sender, recipient }) => `${sender} ${recipient}`),
    beta: beta.messages.map(({ from, to }) => `${from} ${to.join(' ')}`),
  })

  test('nodemailer: the name in EHLO is the tenant', async () => {
    const { response } = await mail(gateway.port, { name: 'alpha.test' })
    expect(response).toMatch(/^250 2\.0\.0 Ok: queued as /)
    expect((await mail(gateway.port, { name: 'beta.test' })).response).toBe('250 2.0.0 taken as 1')
    const one = `${envelope.from} ${envelope.to}`
    expect(await received()).toEqual({ alpha: [one], beta: [one] })
    expect(beta.messages[0]!.data.toString()).toMatch(/^From: ann@client\.test\r\n[^]*\r\n\r\nhello\r\n/)
  })

  test('nodemailer: many mails over a few connections', async () => {
    const count = 40
    const sent = Array.from({ length: count }, (_, i) => mail(gateway.port, {}, { to: `user-${i}@alpha.test` }))
    await Promise.all(sent)
    expect(new Set((await received()).alpha).size).toBe(count)
  })

  describeNeeding(['swaks'], 'swaks', () => {
    test.each(['EHLO', 'HELO'])('%s', async (verb) => {
      const protocol = verb === 'HELO' ? ['--protocol', 'SMTP'] : []
      const { code, stdout } = await swaks(gateway.endpoint, '--ehlo', 'Alpha.Test', ...protocol)
      expect(stdout).toMatch(/^<- {2}220 gateway\.test ESMTP$/m)
      expect(code).toBe(0)
      expect((await received()).alpha).toHaveLength(1)
    })

    test('pipelined', async () => {
      const to = ['--to', 'a@alpha.test,b@alpha.test,c@alpha.test']
      expect((await swaks(gateway.endpoint, '--ehlo', 'alpha.test', '--pipeline', ...to)).code).toBe(0)
      expect((await received()).alpha).toHaveLength(3)
    })

    test('prints 550 5.1.2 for a tenant that nobody knows, as nodemailer does', async () => {
      const { code, stdout } = await swaks(gateway.endpoint, '--ehlo', 'nobody.test')
      expect(stdout).toMatch(/^<\*\* 550 5\.1\.2 /m)
      expect(code).not.toBe(0)
      await expect(mail(gateway.port, { name: 'nobody.test' })).rejects.toMatchObject({ responseCode: 550 })
    })
  })

  describeNeeding(['smtp-source'], 'smtp-source', () => {
    test('sends through several sessions', async () => {
      const args = ['-s', '5', '-m', '50', '-N', '-M', 'beta.test', '-f', envelope.from, '-t', envelope.to]
      const { code, stderr } = await run('smtp-source', [...args, gateway.endpoint])
      expect(stderr).toBe('')
      expect(code).toBe(0)
      expect(new Set((await received()).beta).size).toBe(50)
    })
  })

  test('Postfix sends on through it', async () => {
    await using client = await postfixServer({ name: 'beta.test', relayTo: gateway.endpoint })
    const sent = Array.from({ length: 5 }, (_, i) => mail(client.port, {}, { to: `user-${i}@else.test` }))
    await Promise.all(sent)
    expect(await client.delivered()).toHaveLength(0)
    const sentOn = new Set(beta.messages.map(({ to }) => to[0]))
    expect(sentOn).toEqual(new Set([0, 1, 2, 3, 4].map((i) => `user-${i}@else.test`)))
    expect(beta.messages).toHaveLength(5)
    expect(beta.messages[0]!.hello).toBe('beta.test')
    expect(beta.messages[0]!.data.toString()).toMatch(/^Received: [^]*by beta\.test \(Postfix\)/)
  })

  test('the domain of the first recipient decides', async () => {
    await using routed = await gatewayFor({ keys: ['recipient'] })
    await mail(routed.port, { name: 'x.test' }, { to: 'bob@alpha.test' })
    await mail(routed.port, { name: 'x.test' }, { to: 'bob@beta.test' })
    expect(await received()).toMatchObject({
      alpha: [`${envelope.from} bob@alpha.test`],
      beta: [`${envelope.from} bob@beta.test`],
    })
    await expect(mail(routed.port, {}, { to: 'bob@nobody.test' })).rejects.toMatchObject({ responseCode: 550 })
  })

  test('recipients of two tenants in one message reach one of them, and the other is put off', async () => {
    await using routed = await gatewayFor({ keys: ['recipient'] })
    const sent = await mail(routed.port, {}, { to: ['bob@alpha.test', 'bob@beta.test'] })
    expect(sent.accepted).toEqual(['bob@alpha.test'])
    expect(sent.rejectedErrors).toMatchObject([{ responseCode: 452 }])
    expect(await received()).toMatchObject({ alpha: [`${envelope.from} bob@alpha.test`], beta: [] })
  })

  test('one connection may go from tenant to tenant, mail by mail', async () => {
    await using routed = await gatewayFor({ keys: ['recipient'] })
    await using client = await RawClient.hello(routed.port, 'x.test')
    for (const tenant of ['alpha.test', 'beta.test', 'alpha.test']) {
      await client.envelope('ann@client.test', `bob@${tenant}`)
      expect(await client.command('DATA')).toMatch(/^354/)
      expect(await client.command('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250/)
    }
    expect(await client.command('QUIT')).toMatch(/^221/)
    const all = await received()
    expect([all.alpha.length, all.beta.length]).toEqual([2, 1])
  })

  test('a new EHLO is a new tenant, and drops what was begun', async () => {
    await using client = await RawClient.hello(gateway.port, 'alpha.test')
    await client.envelope('dropped@client.test')
    expect(await client.command('EHLO beta.test')).toMatch(/^250-/)
    expect(await client.command('RCPT TO:<bob@alpha.test>')).toMatch(/^503/)
    await client.envelope('ann@client.test')
    await client.command('DATA')
    expect(await client.command('Subject: x\r\n\r\nx\r\n.')).toMatch(/^250/)
    expect(await client.command('QUIT')).toMatch(/^221/)
    expect(await received()).toEqual({ alpha: [], beta: ['ann@client.test bob@alpha.test'] })
  })

  test('EHLO is answered with what the backend and the gateway can', async () => {
    const ehlo = async (port: number, name: string): Promise<string> => {
      await using client = await RawClient.connect(port)
      await client.reply()
      return await client.command(`EHLO ${name}`)
    }
    const [own, through] = [await ehlo(postfix.port, 'alpha.test'), await ehlo(gateway.port, 'alpha.test')]
    expect(through).toMatch(/^250-gateway\.test/)
    expect(keywords(own)).toEqual(expect.arrayContaining(['XCLIENT', 'ETRN', 'CHUNKING']))
    // Those that would tell about, or change, the connection between the gateway and the backend are left out.
    expect(keywords(through)).toEqual(keywords(own).filter((keyword) => keyword !== 'XCLIENT' && keyword !== 'ETRN'))
    expect(through).toContain('SIZE 104857600')
    expect(keywords(await ehlo(gateway.port, 'beta.test'))).not.toContain('CHUNKING')
  })

  test('XCLIENT, XFORWARD, ETRN and TURN of a client are refused', async () => {
    await using client = await RawClient.hello(gateway.port)
    for (const line of ['XCLIENT ADDR=203.0.113.9', 'XFORWARD ADDR=203.0.113.9', 'ETRN alpha.test', 'TURN']) {
      expect(await client.command(line)).toMatch(/^50\d /)
    }
    await client.envelope()
  })
})

describe('AUTH', () => {
  let gateway: TestGateway

  beforeAll(async () => {
    alpha = await smtpSink()
    beta = await smtpSink({ users })
    gateway = await gatewayFor({ keys: ['user', 'helo'], plainAuth: true })
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await Promise.all([alpha.stop(), beta.stop()])
  })

  const login = (method: string, user: string, pass: string) =>
    mail(gateway.port, { authMethod: method, auth: { user, pass } })

  test.each(['PLAIN', 'LOGIN'])(
    '%s: the user names the tenant, and the backend checks the password',
    async (method) => {
      await login(method, 'ann@beta.test', 'right')
      expect(beta.messages.pop()!.session).toMatchObject({ user: 'ann@beta.test' })
      await expect(login(method, 'ann@beta.test', 'wrong')).rejects.toMatchObject({
        responseCode: 535,
        response: '535 5.7.8 sink.test knows no such user',
      })
      await expect(login(method, 'ann@nobody.test', 'right')).rejects.toMatchObject({ code: 'EAUTH' })
    },
  )

  describeNeeding(['postfix'], 'Postfix', () => {
    test.each(['PLAIN', 'LOGIN'])('%s', async (method) => {
      await using postfix = await postfixServer({ users, settings: { smtpd_sasl_authenticated_header: 'yes' } })
      await using to = await openGateway(() => postfix.endpoint, { protocol: { keys: ['user'], plainAuth: true } })
      const as = (pass: string) => mail(to.port, { authMethod: method, auth: { user: 'ann@beta.test', pass } })
      expect((await as('right')).response).toMatch(/^250/)
      await expect(as('wrong')).rejects.toMatchObject({
        response: expect.stringMatching(/^535 5\.7\.8 Error: auth/) as string,
      })
      const [delivered] = await postfix.delivered()
      expect(delivered!.data.toString()).toContain('(Authenticated sender: ann@beta.test)')
    })
  })

  test('without AUTH, the next source decides', async () => {
    await mail(gateway.port, { name: 'alpha.test' })
    expect((alpha as SmtpSink).messages).toHaveLength(1)
  })

  describeNeeding(['swaks'], 'swaks', () => {
    test.each(['PLAIN', 'LOGIN'])('%s', async (method) => {
      const as = (pass: string) => ['--auth', method, '--auth-user', 'ann@beta.test', '--auth-password', pass]
      expect((await swaks(gateway.endpoint, ...as('right'))).code).toBe(0)
      const { stdout } = await swaks(gateway.endpoint, ...as('wrong'))
      expect(stdout).toContain('<** 535 5.7.8 sink.test knows no such user')
    })
  })

  test('is not offered without TLS, unless that is allowed', async () => {
    await using strict = await gatewayFor({ keys: ['user', 'helo'] })
    await using client = await RawClient.connect(strict.port)
    await client.reply()
    expect(keywords(await client.command('EHLO alpha.test'))).not.toContain('AUTH')
    expect(await client.command('AUTH PLAIN AGFubkBiZXRhLnRlc3QAcmlnaHQ=')).toMatch(/^538 5\.7\.11 /)
  })
})
