import { afterEach, describe, expect, it, vi } from 'vitest'
import { type ProtocolName, protocolNames } from './faults/speakers.ts'
import type { HerdClient } from './herd/clients.ts'
import { type Field, field, type FieldOptions } from './herd/field.ts'

const size = 1_000
/** `HERD=full`: as many strangers as it takes to be sure. What a cold start adds is what `herd/figure.ts` measures. */
const strangers = process.env['HERD'] === 'full' ? 10_000 : 2_000

/** What each protocol says to clients of a tenant that does not start in time. */
const notStarted: Readonly<Record<ProtocolName, string>> = {
  http: '503 Retry-After',
  postgres: '57P03',
  mysql: '1105',
  mongodb: '89',
  smtp: '421',
  tcp: 'cut off',
}

const now = (): number => Number(process.hrtime.bigint()) / 1e6

describe('1,000 clients of every protocol', () => {
  let all: Field | undefined

  async function open(options?: FieldOptions): Promise<Field> {
    all = await field(options)
    return all
  }

  afterEach(async () => {
    await all?.stop()
    all = undefined
  })

  /** Settles when all of them wait in the gateway. */
  async function waiting(of: Field, count: number): Promise<void> {
    await vi.waitFor(async () => expect(await of.connections()).toBe(count), { timeout: 20_000, interval: 20 })
    // What they have sent is read by then, too: the answer to this came after it.
    await of.connections()
  }

  async function leave(of: Field, clients: readonly HerdClient[]): Promise<void> {
    for (const client of clients) client.leave()
    await vi.waitFor(async () => expect(await of.connections()).toBe(0), { timeout: 20_000 })
  }

  it('find a tenant asleep: one start, all are served, in bounded memory', async () => {
    const of = await open()
    const before = await of.residentBytes()
    const clients = of.herd(size)
    await waiting(of, size)
    const held = await of.residentBytes()
    of.letGo()
    expect(await tally(clients)).toEqual({ kept: size })
    expect(of.starts).toBe(1)
    const { accepted, served } = await of.counts()
    expect(sum(served)).toBe(size)
    // One of each protocol asked whether it serves.
    expect(sum(accepted)).toBe(size + protocolNames.length)
    const after = await of.residentBytes()
    print({
      'held for each waiting client': kib((held - before) / size),
      'for each, served': kib((after - before) / size),
    })
    expect(held - before).toBeLessThan(size * 65_536)
    expect(after - before).toBeLessThan(96 * 1_048_576)
    await leave(of, clients)
  }, 60_000)

  it('of whom half leave: no dial for those', async () => {
    const of = await open()
    const clients = of.herd(size)
    await waiting(of, size)
    const [leavers, stayers] = [clients.slice(0, size / 2), clients.slice(size / 2)]
    for (const client of leavers) client.leave()
    await vi.waitFor(async () => expect(await of.connections()).toBe(stayers.length), { timeout: 20_000 })
    of.letGo()
    expect(await tally(stayers)).toEqual({ kept: stayers.length })
    const { accepted, served } = await of.counts()
    expect(sum(served)).toBe(stayers.length)
    expect(sum(accepted)).toBe(stayers.length + protocolNames.length)
    expect(of.starts).toBe(1)
    await leave(of, stayers)
  }, 60_000)

  it('of a tenant that does not start: all are told so at the deadline, as their protocol says it', async () => {
    const deadlineMs = 4_000
    const of = await open({ coldStart: { deadlineMs } })
    const begun = now()
    const clients = of.herd(size)
    const answers = await Promise.all(clients.map(({ answer }) => answer))
    const tookMs = now() - begun
    for (const [index, { protocol }] of clients.entries()) expect(answers[index], protocol).toBe(notStarted[protocol])
    expect(tookMs).toBeGreaterThan(deadlineMs - 100)
    expect(tookMs).toBeLessThan(deadlineMs + 5_000)
    expect(of.starts).toBe(1)
    await leave(of, clients)
  }, 60_000)

  it(`and ${strangers} of tenants that do not exist: they wake nobody`, async () => {
    const of = await open()
    const begun = await of.residentBytes()
    const seen = new Set<string>()
    for (let count = 0; count < strangers; count += protocolNames.length * 25) {
      const clients = protocolNames.flatMap((protocol) =>
        protocol === 'tcp' ? [] : Array.from({ length: 30 }, (_, index) => of.client(protocol, `t${count + index}`)),
      )
      for (const [index, answer] of (await Promise.all(clients.map(({ answer }) => answer))).entries()) {
        seen.add(`${clients[index]!.protocol} ${answer}`)
      }
      for (const client of clients) client.leave()
    }
    expect([...seen].toSorted()).toEqual(['http 404', 'mongodb 26', 'mysql 1049', 'postgres 3D000', 'smtp 550'])
    expect(of.starts).toBe(0)
    expect((await of.residentBytes()) - begun).toBeLessThan(192 * 1_048_576)
  }, 120_000)

  it('two workers: still one start', async () => {
    const of = await open({ workers: 2 })
    const clients = of.herd(size)
    await waiting(of, size)
    of.letGo()
    expect(await tally(clients)).toEqual({ kept: size })
    expect(of.starts).toBe(1)
    await leave(of, clients)
  }, 60_000)
})

async function tally(clients: readonly HerdClient[]): Promise<Record<string, number>> {
  const answers = await Promise.all(clients.map(({ answer }) => answer))
  const counts: Record<string, number> = {}
  for (const answer of answers) counts[answer] = (counts[answer] ?? 0) + 1
  return counts
}

const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((a, b) => a + b, 0)

const kib = (bytes: number): string => `${Math.round(bytes / 1_024)} KiB`

const print = (what: unknown): boolean => process.stdout.write(`${JSON.stringify(what)}\n`)
