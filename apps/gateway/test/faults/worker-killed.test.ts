import { describeNeeding } from '@proxy/test-servers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { statsOf } from '../gateway-process.ts'
import { bed, type Bed } from './bed.ts'
import { printRecords, record } from './record.ts'
import { type ProtocolName, protocolNames } from './speakers.ts'

const clientsEach = 3
const kills = 2

describeNeeding(['mariadbd', 'ferretdb'], 'a worker process killed under load', () => {
  let all: Bed
  let stop = false

  beforeAll(async () => {
    all = await bed({ config: { workers: 2 } })
  }, 120_000)

  afterAll(async () => {
    printRecords()
    await all.stop()
  })

  /** New clients, one after the other, until it is over; what each was told. */
  async function load(protocol: ProtocolName): Promise<string[]> {
    const answers: string[] = []
    while (!stop) answers.push(await all.refusal(protocol))
    return answers
  }

  async function killOne(): Promise<number> {
    const printed = all.gateway.output.length
    process.kill((await statsOf(all.adminPort)).workers[0]!.pid, 'SIGKILL')
    const begun = performance.now()
    await all.gateway.waitFor(/the worker serves again/, { offset: printed })
    return Math.round(performance.now() - begun)
  }

  it('cuts off the clients that it served, and no other', async () => {
    const loads = protocolNames.flatMap((protocol) => Array.from({ length: clientsEach }, () => load(protocol)))
    const wellMs: number[] = []
    for (let kill = 0; kill < kills; kill++) wellMs.push(await killOne())
    stop = true
    const answers = await Promise.all(loads)
    for (const [index, protocol] of protocolNames.entries()) {
      const seen = answers.slice(index * clientsEach, (index + 1) * clientsEach).flat()
      const failed = seen.filter((answer) => answer !== 'served')
      expect(
        failed.filter((answer) => answer !== 'cut off'),
        protocol,
      ).toEqual([])
      // A client has one session at a time: it loses at most that to each kill.
      expect(failed.length, protocol).toBeLessThanOrEqual(clientsEach * kills)
      expect(seen.length - failed.length, protocol).toBeGreaterThan(clientsEach)
      record('worker killed', protocol, failed.length === 0 ? 'served' : 'cut off', Math.max(...wellMs))
      expect(await all.lost(protocol)).toEqual([])
    }
    expect(await statsOf(all.adminPort)).toMatchObject({ restarts: kills, workers: [{ worker: 1 }, { worker: 2 }] })
  }, 60_000)
})
