import { afterEach, describe, expect, it, vi } from 'vitest'
import { type ProtocolName, protocolNames } from './faults/speakers.ts'
import type { HerdClient } from './herd/clients.ts'
import { type Field, field, type FieldOptions } from './herd/field.ts'

const size = 1_000
/** `HERD=full`: the whole of it, with the comparison that says what a cold start adds. */
const full = process.env['HERD'] === 'full'
const strangers = full ? 10_000 : 2_000
/** Of the comparison: more give a steadier figure. */
const rounds = Number(process.env['HERD_ROUNDS'] ?? 3)

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

  it.runIf(full)(
    'are served as soon as those who wait for the late answer of a resolver',
    async () => {
      const [cold, late] = [await timings('cold'), await timings('late')]
      for (const part of ['told', 'begun', 'dialled', 'served'] as const) {
        print({
          [`${part}: p50, p90, p99, most (ms)`]: {
            'after a cold start': cold[part],
            'after a late answer': late[part],
          },
        })
      }
      // Far off only when somebody waits who need not.
      expect(cold.served[2]).toBeLessThan(3 * late.served[2]! + 2_000)
    },
    240_000,
  )

  /** The best of some rounds, by what 99 of 100 clients see. */
  async function timings(kind: 'cold' | 'late'): Promise<Timing> {
    const of = await open({ late: kind === 'late', coldStart: { wokenTtlMs: 0 } })
    const all: Timing[] = []
    for (let round = 0; round < rounds; round++) all.push(await timing(of, kind))
    await of.stop()
    return all.toSorted((a, b) => a.served[2]! - b.served[2]!)[0]!
  }

  interface Timing {
    readonly told: number[]
    readonly begun: number[]
    readonly dialled: number[]
    readonly served: number[]
  }

  /** Milliseconds (p50, p90, p99, most) from the backend's readiness, or the resolver's answer, of a herd that has waited for it. */
  async function timing(of: Field, kind: 'cold' | 'late'): Promise<Timing> {
    of.holdBack()
    if (kind === 'late') {
      of.letGo()
      await of.start()
    }
    await of.observed()
    const clients = of.herd(size)
    const served: number[] = []
    for (const { answer } of clients) void answer.then(() => served.push(now()))
    await waiting(of, size)
    of.letGo(kind === 'late' ? 'answer' : 'go')
    expect(await tally(clients)).toEqual({ kept: size })
    const { readyAt, routes, dials } = await of.observed()
    await leave(of, clients)
    await of.sleep()
    const ours = dials.filter(({ session }) => session)
    const since = (times: readonly number[]): number[] => quantiles(times.map((at) => at - readyAt))
    return {
      told: since(routes),
      begun: since(ours.map(({ from }) => from)),
      dialled: since(ours.map(({ to }) => to)),
      served: since(served),
    }
  }

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

function quantiles(values: readonly number[]): number[] {
  const sorted = values.toSorted((a, b) => a - b)
  return [0.5, 0.9, 0.99, 1].map(
    (q) => Math.round(10 * sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!) / 10,
  )
}

const kib = (bytes: number): string => `${Math.round(bytes / 1_024)} KiB`

const print = (what: unknown): boolean => process.stdout.write(`${JSON.stringify(what)}\n`)
