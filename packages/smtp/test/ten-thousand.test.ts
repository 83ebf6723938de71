import { describeNeeding, type PostfixServer, postfixServer, run } from '@proxy/test-servers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Fate, persist } from './persistent-client.ts'
import { openGateway, type TestGateway } from './setup.ts'

/** The long form has 10,000. */
const mails = Number(process.env['PROXY_TEST_MAILS'] ?? 2_000)
const timeout = 20_000 + mails * 50

describeNeeding(['postfix', 'smtp-source'], `${mails} mails`, () => {
  let alpha: PostfixServer
  let beta: PostfixServer
  let gateway: TestGateway

  beforeAll(async () => {
    ;[alpha, beta] = await Promise.all([
      postfixServer({ name: 'alpha-mx.test' }),
      postfixServer({ name: 'beta-mx.test' }),
    ])
    gateway = await openGateway(({ key }) => (key === 'alpha.test' ? alpha.endpoint : beta.endpoint))
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await Promise.all([alpha.stop(), beta.stop()])
  })

  test('of smtp-source are delivered once each', { timeout }, async () => {
    const half = mails / 2
    const source = (tenant: string, ...more: string[]) =>
      run('smtp-source', [
        '-s',
        '8',
        '-m',
        `${half}`,
        '-l',
        '2000',
        '-N',
        '-M',
        tenant,
        '-f',
        'a@client.test',
        '-t',
        `bob@${tenant}`,
        ...more,
        gateway.endpoint,
      ])
    const ended = await Promise.all([source('alpha.test'), source('beta.test', '-d')])
    for (const { code, stderr } of ended) expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const server of [alpha, beta]) {
      const recipients = (await server.delivered()).map(({ recipient }) => recipient)
      expect(recipients).toHaveLength(half)
      expect(new Set(recipients).size).toBe(half)
      await server.clear()
    }
  })

  test('while backends are killed: none lost after a 250, none acknowledged twice', { timeout }, async () => {
    const half = mails / 2
    let [acknowledged, kills] = [0, 0]
    const told = (): void => void acknowledged++
    const send = (tenant: string): Promise<Map<number, Fate>[]> => {
      const ids = Array.from({ length: half }, (_, i) => i).values()
      return Promise.all(Array.from({ length: 6 }, () => persist(gateway.port, tenant, ids, told)))
    }
    const sent = Promise.all([send('alpha.test'), send('beta.test')])
    let sending = true
    const kill = async (): Promise<void> => {
      while (sending) {
        const since = acknowledged
        while (sending && acknowledged < since + mails / 16) await new Promise((resolve) => setImmediate(resolve))
        const server = kills++ % 2 === 0 ? alpha : beta
        await server.kill()
        await server.start()
      }
    }
    const [fates] = await Promise.all([sent.finally(() => (sending = false)), kill()])
    expect(kills).toBeGreaterThan(8)
    expect(acknowledged).toBe(mails)
    for (const [server, ofTenant] of [
      [alpha, fates[0]],
      [beta, fates[1]],
    ] as const) {
      expect(wrong(new Map(ofTenant.flatMap((part) => [...part])), await taken(server))).toEqual([])
    }
  })
})

/** How often a server has taken each mail. A delivery that it repeats after a crash is of the same queue id, and its own affair. */
async function taken(server: PostfixServer): Promise<Map<number, number>> {
  const queueIds = new Map<number, Set<string>>()
  for (const { sender, data } of await server.delivered()) {
    const id = Number(/^mail-(\d+)@/.exec(sender)![1])
    const ids = queueIds.get(id) ?? new Set()
    queueIds.set(id, ids.add(/ id ([0-9A-F]+)\n/.exec(data.toString())![1]!))
  }
  return new Map([...queueIds].map(([id, ids]) => [id, ids.size]))
}

/** Mails that are lost, were acknowledged but once and taken more often than that explains, or acknowledged twice. */
function wrong(fates: ReadonlyMap<number, Fate>, takenBy: ReadonlyMap<number, number>): string[] {
  return [...fates].flatMap(([id, { acknowledged, uncertain }]) => {
    const count = takenBy.get(id) ?? 0
    const explained = acknowledged === 1 && count >= 1 && count <= 1 + uncertain
    return explained ? [] : [`${id}: acknowledged ${acknowledged}, uncertain ${uncertain}, taken ${count}`]
  })
}
