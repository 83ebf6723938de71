import { type Resolver, ResolveError } from '@proxy/kernel'
import { coldStart } from '@proxy/kernel/layers'
import { describeNeeding, findFreePort, type PostfixServer, postfixServer, smtpSink } from '@proxy/test-servers'
import { settle, until } from '@proxy/testkit'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { RawClient } from './raw.ts'
import { scripted, usual } from './scripted.ts'
import { mail, openGateway, to } from './setup.ts'

/** A client in the middle of a message. */
async function inData(port: number): Promise<RawClient> {
  const client = await RawClient.hello(port)
  await client.envelope()
  expect(await client.command('DATA')).toMatch(/^354/)
  client.send('Subject: x\r\n\r\nhalf')
  return client
}

describeNeeding(['postfix'], 'Postfix', () => {
  let postfix: PostfixServer

  beforeAll(async () => {
    postfix = await postfixServer({ start: false })
  })
  afterEach(() => postfix.clear())
  afterAll(() => postfix.stop())

  /** Says that Postfix is asleep until it is woken. */
  function sleeper(wake: () => Promise<void>): Resolver {
    let state: 'ready' | 'asleep' = 'asleep'
    return {
      name: 'sleeper',
      resolve: () => ({ endpoint: postfix.endpoint, state }),
      async wake(backend) {
        await wake()
        state = 'ready'
        return { endpoint: backend.endpoints, state }
      },
    }
  }

  test('is woken once while EHLO is held for all who wait', async () => {
    let starts = 0
    const wake = async (): Promise<void> => {
      starts++
      await postfix.start()
    }
    await using gateway = await openGateway(sleeper(wake), { layers: [coldStart()] })
    const sent = await Promise.all(Array.from({ length: 20 }, () => mail(gateway.port)))
    for (const { response } of sent) expect(response).toMatch(/^250 /)
    expect(starts).toBe(1)
    expect(await postfix.delivered()).toHaveLength(20)
  })

  test('that cannot be woken is 421 4.3.2, and never 5xx', async () => {
    const fail = (): Promise<void> => Promise.reject(new Error('no machine'))
    await using gateway = await openGateway(sleeper(fail), { layers: [coldStart()] })
    await using client = await RawClient.connect(gateway.port)
    await client.reply()
    expect(await client.command('EHLO alpha.test')).toMatch(/^421 4\.3\.2 /)
    expect(await client.rest()).toBe('')
  })

  test('that takes too long to wake is 421 4.3.2', async () => {
    const never = (): Promise<void> => new Promise(() => undefined)
    await using gateway = await openGateway(sleeper(never), { layers: [coldStart({ deadlineMs: 100 })] })
    await expect(mail(gateway.port)).rejects.toMatchObject({
      response: expect.stringMatching(/421 4\.3\.2 /) as string,
    })
  })

  test('that listens before it is ready is waited for', async () => {
    let connections = 0
    await using starting = await scripted(
      (line) => usual(line),
      () => (++connections < 3 ? '421 4.3.2 starting\r\n' : '220 scripted.test ESMTP\r\n'),
    )
    await using gateway = await openGateway(to(starting))
    expect((await mail(gateway.port)).response).toMatch(/^250/)
    expect(connections).toBe(3)
  })

  test('killed within DATA: no 250, but 4xx, and no mail', async () => {
    await postfix.start()
    await using gateway = await openGateway(to(postfix))
    await using client = await inData(gateway.port)
    await postfix.kill()
    client.send('the other half\r\n.\r\n')
    expect(await client.rest()).toMatch(/^4[25]1 4\.\d\.\d [^\r\n]*\r\n$/)
    await postfix.start()
    expect(await postfix.delivered()).toHaveLength(0)
  })

  test('killed within BDAT: no 250, but 4xx, and no mail', async () => {
    await postfix.start()
    await using gateway = await openGateway(to(postfix))
    await using client = await RawClient.hello(gateway.port)
    await client.envelope()
    client.send('BDAT 6\r\nx: y\r\n')
    expect(await client.reply()).toMatch(/^250/)
    client.send('BDAT 500 LAST\r\nhalf')
    await postfix.kill()
    client.send(Buffer.alloc(496, 'x'))
    expect(await client.rest()).toMatch(/^4[25]1 4\.\d\.\d [^\r\n]*\r\n$/)
    await postfix.start()
    expect(await postfix.delivered()).toHaveLength(0)
  })
})

test('a backend killed before its final reply: no 250, but 4xx', async () => {
  const sink = await smtpSink({
    onMessage: () => {
      const killed = sink.kill()
      return killed.then(() => undefined)
    },
  })
  await using gateway = await openGateway(to(sink))
  await using client = await inData(gateway.port)
  client.send('\r\n.\r\n')
  expect(await client.rest()).toMatch(/^4[25]1 4\.\d\.\d [^\r\n]*\r\n$/)
  await sink.stop()
})

describe('a backend that closes', () => {
  test.each(['EHLO', 'MAIL', 'RCPT', 'DATA'])('at %s is a 4xx for the client', async (verb) => {
    await using backend = await scripted((line, socket) => {
      if (!line.startsWith(verb)) return usual(line)
      socket.destroy()
      return undefined
    })
    await using gateway = await openGateway(to(backend), { protocol: { readinessTimeoutMs: 500 } })
    await expect(mail(gateway.port)).rejects.toMatchObject({ response: expect.stringMatching(/^4[25]1 /) as string })
  })

  test('after half of its reply is a 4xx too', async () => {
    await using backend = await scripted((line, socket) => {
      if (line !== '.') return /^(EHLO|MAIL|RCPT|DATA)/.test(line) ? usual(line) : undefined
      socket.end('250 2.0.0 almo')
      return undefined
    })
    await using gateway = await openGateway(to(backend))
    await using client = await inData(gateway.port)
    client.send('\r\n.\r\n')
    expect(await client.rest()).toMatch(/^4[25]1 4\.\d\.\d [^\r\n]*\r\n$/)
  })

  test('while nothing is asked tells the client 421', async () => {
    await using backend = await scripted((line) => usual(line))
    await using gateway = await openGateway(to(backend))
    await using client = await RawClient.hello(gateway.port)
    for (const socket of backend.sockets) socket.end()
    expect(await client.rest()).toMatch(/^421 4\.\d\.\d [^\r\n]*\r\n$/)
  })

  test('with 421 hands that to the client', async () => {
    await using backend = await scripted((line, socket) => {
      if (!line.startsWith('MAIL')) return usual(line)
      socket.end('421 4.3.2 backend goes down\r\n')
      return undefined
    })
    await using gateway = await openGateway(to(backend))
    await using client = await RawClient.hello(gateway.port)
    expect(await client.command('MAIL FROM:<a@b.test>')).toBe('421 4.3.2 backend goes down\r\n')
    expect(await client.rest()).toBe('')
  })
})

test.each([
  ['UNAVAILABLE', /^421 4\.3\.2 /],
  ['TIMEOUT', /^421 4\.3\.2 /],
  ['FORBIDDEN', /^550 5\.7\.1 /],
  ['INTERNAL', /^421 4\.3\.0 /],
  ['NOT_FOUND', /^550 5\.1\.2 /],
] as const)('a resolver that says %s', async (code, expected) => {
  await using gateway = await openGateway(() => {
    throw new ResolveError(code)
  })
  await using client = await RawClient.connect(gateway.port)
  await client.reply()
  expect(await client.command('EHLO alpha.test')).toMatch(expected)
})

test('nobody listens: 4xx, without an address', async () => {
  const port = await findFreePort()
  await using gateway = await openGateway(() => `127.0.0.1:${port}`, { protocol: { readinessTimeoutMs: 300 } })
  await using client = await RawClient.connect(gateway.port)
  await client.reply()
  const said = await client.command('EHLO alpha.test')
  expect(said).toMatch(/^421 4\.4\.1 /)
  expect(said).not.toContain(String(port))
})

test('a client that leaves in the middle leaves nothing at the backend', async () => {
  await using sink = await smtpSink()
  await using gateway = await openGateway(to(sink))
  const leave: ((client: RawClient) => void)[] = [(client) => client.reset(), (client) => client.end()]
  for (const away of leave) {
    const client = await inData(gateway.port)
    away(client)
    await until(() => sink.connections === 0, 'the end of the connection to the backend')
    await client[Symbol.asyncDispose]()
  }
  await settle()
  expect(sink.messages).toEqual([])
})
