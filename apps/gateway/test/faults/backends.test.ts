import { describeNeeding } from '@proxy/test-servers'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { statsOf } from '../gateway-process.ts'
import { bed, type Bed } from './bed.ts'
import { printRecords, record } from './record.ts'
import { type ProtocolName, protocolNames, told } from './speakers.ts'

/** A raw relay has no words of its own, and cannot tell a silent backend from a slow one. */
const withWords = protocolNames.filter((protocol) => protocol !== 'tcp')

type Told = Readonly<Record<ProtocolName, string>>
const unreachable: Told = { http: '502', postgres: '08006', mysql: '1105', mongodb: '6', smtp: '421', tcp: 'cut off' }
const silent: Told = { http: '504', postgres: '57P03', mysql: '1105', mongodb: '89', smtp: '421', tcp: 'cut off' }
/** A connect that times out is one that could not be made. */
const unanswered: Told = { ...silent, postgres: '08006' }

/** The words for a connection that broke off, and for a new one that was refused. */
const either = (protocol: ProtocolName): string[] => ['cut off', unreachable[protocol], silent[protocol]]

/** Those, and the words of an open circuit. */
const leftAlone = (protocol: ProtocolName): string[] => [...either(protocol), ...(protocol === 'http' ? ['503'] : [])]
const longestCircuitMs = 35_000

describeNeeding(['mariadbd', 'ferretdb'], 'a backend', () => {
  let all: Bed

  beforeAll(async () => {
    all = await bed()
  }, 120_000)

  afterAll(async () => {
    printRecords()
    await all.stop()
  })

  describe('killed in the middle of sessions', () => {
    it.concurrent.each(protocolNames)('%s', async (protocol) => {
      const talk = await all.open(protocol)
      await all.put(protocol, talk)
      const failed = untilFailure(all, protocol, talk)
      await all.backends[protocol].kill()
      const answer = await failed
      await talk.close().catch(() => {})
      expect(either(protocol)).toContain(answer)
      const started = performance.now()
      await all.backends[protocol].start()
      const startMs = performance.now() - started
      record('killed', protocol, answer, (await all.untilWell(protocol)) + Math.round(startMs))
      expect(await all.lost(protocol)).toEqual([])
    })

    it('postgres, when it is one process of the server that dies', async () => {
      const pid = await sessionPid(all)
      const talk = await all.open('postgres')
      await all.put('postgres', talk)
      process.kill(await pid.value(), 'SIGKILL')
      const answer = await untilFailure(all, 'postgres', talk)
      await talk.close().catch(() => {})
      await pid.close()
      // The server ends all sessions and recovers: who connects meanwhile waits for it.
      expect(['57P02', 'cut off', '57P03']).toContain(answer)
      record('one of its processes killed', 'postgres', answer, await all.untilWell('postgres'))
      expect(await all.lost('postgres')).toEqual([])
    })
  })

  describe('that refuses', () => {
    it.concurrent.each(protocolNames)('%s', async (protocol) => {
      await all.backends[protocol].kill()
      const answer = await all.refusal(protocol)
      await all.backends[protocol].start()
      record('refused', protocol, answer, await all.untilWell(protocol))
      expect(answer).toBe(unreachable[protocol])
    })
  })

  describe('whose process is stopped', () => {
    it.concurrent.each(withWords)('%s', async (protocol) => {
      all.backends[protocol].freeze()
      const answer = await all.refusal(protocol)
      all.backends[protocol].thaw()
      record('stopped process', protocol, answer, await all.untilWell(protocol))
      expect(answer).toBe(silent[protocol])
    })
  })

  describe('whose accept queue is full', () => {
    it.concurrent.each(protocolNames)('%s', async (protocol) => {
      const answer = await all.refusal(protocol, 'hole')
      record('full queue', protocol, answer)
      expect(answer).toBe(unanswered[protocol])
    })
  })

  describe('that is slow', () => {
    it.concurrent.each(protocolNames)('%s', async (protocol) => {
      await all.wires[protocol].break({ trickle: 20 })
      const answer = await all.refusal(protocol, 'wired')
      await all.wires[protocol].mend()
      record('slow', protocol, answer)
      expect(answer).toBe('served')
      expect(await all.lost(protocol)).toEqual([])
    })
  })

  describe('that resets connections as it accepts them', () => {
    it.concurrent.each(protocolNames)('%s', async (protocol) => {
      await all.wires[protocol].break({ resetAfter: 0 })
      const answer = await all.refusal(protocol, 'wired')
      await all.wires[protocol].mend()
      record('reset at accept', protocol, answer, await all.untilWell(protocol, 'wired'))
      expect(answer).toBe(unreachable[protocol])
    })
  })

  describe('that resets connections in the middle of its answer', () => {
    it.concurrent.each(protocolNames)('%s', async (protocol) => {
      await all.wires[protocol].break({ resetAfter: 4 })
      const answer = await all.refusal(protocol, 'wired')
      await all.wires[protocol].mend()
      record('reset in its answer', protocol, answer, await all.untilWell(protocol, 'wired'))
      expect(answer).toBe(unreachable[protocol])
    })
  })

  describe('that comes and goes', () => {
    it('all protocols', async () => {
      const answers: string[][] = protocolNames.map(() => [])
      const begun = performance.now()
      // A busy machine may miss the moments in which a backend is up.
      const over = (): boolean => {
        const passedMs = performance.now() - begun
        return passedMs > 40_000 || (passedMs > 4_000 && answers.every((seen) => seen.includes('served')))
      }
      const loads = protocolNames.map((protocol, index) => loadUntil(all, protocol, answers[index]!, over))
      await flap(all, over)
      await Promise.all(loads)
      for (const [index, protocol] of protocolNames.entries()) {
        const seen = [...new Set(answers[index])]
        expect(seen.filter((answer) => answer !== 'served' && !leftAlone(protocol).includes(answer))).toEqual([])
        expect(seen, protocol).toContain('served')
        record('flapping', protocol, seen.join(', '), await all.untilWell(protocol, 'wired', longestCircuitMs))
        expect(await all.lost(protocol)).toEqual([])
      }
    }, 120_000)
  })

  it('left nobody waiting, and nothing open', async () => {
    await vi.waitFor(async () => {
      const { listeners } = await statsOf(all.adminPort)
      expect(listeners.filter(({ connections }) => connections > 0)).toEqual([])
    })
    expect(all.gateway.output).not.toMatch(/PROXY_INTERNAL|"level":[56]0/)
  })
})

/** Puts until that fails. */
async function untilFailure(all: Bed, protocol: ProtocolName, talk: Parameters<Bed['put']>[1]): Promise<string> {
  for (;;) {
    try {
      await all.put(protocol, talk)
    } catch (error) {
      return told(error)
    }
  }
}

/** A session of the server's own, straight to it, whose process is to die. */
async function sessionPid(all: Bed): Promise<{ value(): Promise<number>; close(): Promise<void> }> {
  const { port } = all.backends.postgres
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'demo', password: 'demo', database: 'straight' })
  client.on('error', () => {})
  await client.connect()
  return {
    value: async () => (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]!.pid,
    close: () => client.end().catch(() => {}),
  }
}

async function flap(all: Bed, over: () => boolean): Promise<void> {
  const wires = Object.values(all.wires)
  while (!over()) {
    for (const change of ['up', 'down'] as const) {
      await Promise.all(wires.map((wire) => wire[change]()))
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
  }
  await Promise.all(wires.map((wire) => wire.up()))
}

/** New clients, one after the other; what each was told. */
async function loadUntil(all: Bed, protocol: ProtocolName, answers: string[], over: () => boolean): Promise<void> {
  while (!over()) {
    answers.push(await all.refusal(protocol, 'wired'))
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
