import { expect, test } from 'vitest'
import { describeNeeding, postfixServer, run, smtpSink } from '../src/index.ts'

/** What the server said to the final dot, as swaks prints it; with an error, everything. */
async function send(port: number, ...options: string[]): Promise<string> {
  const envelope = ['--from', 'a@one.test', '--to', 'b@two.test', '--body', 'hello']
  const { stdout, stderr } = await run('swaks', ['--server', `127.0.0.1:${port}`, ...envelope, ...options])
  return /^<- +(250 .*)\n -> QUIT/m.exec(stdout)?.[1] ?? stdout + stderr
}

describeNeeding(['postfix', 'swaks'], 'postfixServer', () => {
  test('keeps what it was sent, and its queue and port over restarts', async () => {
    await using server = await postfixServer()
    expect(await send(server.port)).toMatch(/^250 2\.0\.0 Ok: queued/)
    const [mail] = await server.delivered()
    expect(mail).toMatchObject({ sender: 'a@one.test', recipient: 'b@two.test' })
    expect(mail!.data.toString()).toMatch(/^Received: from [^]*\n\nhello\n+$/)
    await server.kill()
    expect(await send(server.port)).toContain('Connection refused')
    await server.start()
    await send(server.port)
    await server.halt()
    expect(server.running).toBe(false)
    await server.start()
    expect(await server.delivered()).toHaveLength(2)
    await server.clear()
    expect(server.deliveries).toBe(0)
  })

  test('stands beside others, and sends on to them', async () => {
    await using sink = await smtpSink()
    await using last = await postfixServer({ name: 'last.test' })
    await using second = await postfixServer({ name: 'second.test', relayTo: last.endpoint })
    await using first = await postfixServer({ name: 'first.test', relayTo: sink.endpoint })
    await send(second.port)
    await send(first.port)
    expect(await first.delivered()).toEqual([])
    expect(sink.messages.map(({ hello }) => hello)).toEqual(['first.test'])
    await second.delivered()
    const [mail] = await last.delivered()
    expect(mail!.data.toString()).toContain('by second.test (Postfix)')
  })

  test('checks passwords', async () => {
    await using server = await postfixServer({ users: [{ name: 'demo', password: 'right' }] })
    for (const method of ['PLAIN', 'LOGIN']) {
      const login = ['-a', method, '-au', 'demo', '-ap']
      expect(await send(server.port, ...login, 'right')).toMatch(/^250 /)
      expect(await send(server.port, ...login, 'wrong')).toContain('535 5.7.8 Error: authentication failed')
    }
  })

  test('greets behind a PROXY protocol header only', async () => {
    await using server = await postfixServer({ proxyProtocol: true })
    expect(await send(server.port, '--proxy', 'TCP4 203.0.113.9 127.0.0.1 4321 25')).toMatch(/^250 /)
    const [mail] = await server.delivered()
    expect(mail!.data.toString()).toContain('[203.0.113.9]')
  })
})

describeNeeding(['swaks'], 'smtpSink', () => {
  test('keeps its messages, users and port', async () => {
    await using sink = await smtpSink({ users: [{ name: 'demo', password: 'right' }] })
    expect(await send(sink.port, '-a', 'LOGIN', '-au', 'demo', '-ap', 'wrong')).toContain('535 5.7.8')
    await sink.kill()
    expect(await send(sink.port)).toContain('Connection refused')
    await sink.start()
    expect(await send(sink.port, '-a', 'PLAIN', '-au', 'demo', '-ap', 'right')).toMatch(/^250 2\.0\.0 taken as 1/)
    expect(sink.messages.map(({ from, to }) => [from, ...to])).toEqual([['a@one.test', 'b@two.test']])
    expect(sink.messages[0]!.data.toString()).toMatch(/\r\n\r\nhello\r\n/)
  })

  test('answers each recipient of LMTP, and fails where it is told to', async () => {
    const busy = { code: 452, text: '4.2.2 the box is full' }
    const onMessage = (_: unknown, to: string) => (to.startsWith('full') ? busy : undefined)
    await using sink = await smtpSink({ lmtp: true, onMessage })
    const lmtp = ['--protocol', 'LMTP', '--to', 'full@two.test,b@two.test']
    const { stdout: said } = await run('swaks', ['--server', sink.endpoint, ...lmtp])
    expect(said).toMatch(/452 4\.2\.2 the box is full[^]*250 2\.1\.5 <b@two.test>/)
    expect(sink.messages).toHaveLength(1)
  })
})
