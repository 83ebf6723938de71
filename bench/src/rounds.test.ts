import { afterAll, beforeEach, expect, test } from 'vitest'
import { Bench } from './bench.ts'
import { rotated } from './plan.ts'
import { type Entrant, Rounds } from './rounds.ts'
import type { Sample } from './row.ts'
import type { Running, Subject } from './subject.ts'
import type { Suite, Workload } from './suite.ts'

const address = { host: '127.0.0.1', port: 1 }
const plan = { rounds: 3, seconds: 1, warmup: 0.1, firstWarmup: 0.9 }
const bench = new Bench()
afterAll(() => bench.close())

let events: string[] = []
beforeEach(() => {
  events = []
})

/** A subject that is told apart from others by the port of its address. */
const entrant = (name: string, port: number): Entrant => {
  const subject: Subject = {
    name,
    version: async () => '1',
    start: async () => {
      events.push(`start ${name}`)
      return { address: { ...address, port }, pid: undefined, stop: async () => void events.push(`stop ${name}`) }
    },
  }
  return { subject, version: '1' }
}

const workload = (run: (port: number) => Sample, options: Partial<Workload> = {}): Workload => ({
  id: 'work',
  name: 'work',
  unit: 'x/s',
  run: async (_bench, target: Running) => {
    events.push(`run ${target.address.port}`)
    return run(target.address.port)
  },
  ...options,
})

const measure = (workloads: readonly Workload[], entrants: readonly Entrant[]) => {
  const suite: Suite = {
    name: 'test',
    reference: 'one',
    subjects: entrants.map(({ subject }) => subject),
    workloads,
    plan,
    quickPlan: plan,
    startBackend: async () => address,
  }
  return new Rounds(bench, suite, plan, { quick: false, backend: address }).run(workloads, entrants, () => undefined)
}

const runs = (): string[] => events.filter((event) => event.startsWith('run'))

test('each round begins with another subject', () => {
  expect([0, 1, 2, 3].map((round) => rotated(['a', 'b', 'c'], round).join(''))).toEqual(['abc', 'bca', 'cab', 'abc'])
  expect(rotated([], 2)).toEqual([])
})

test('subjects take turns, each in one process that is stopped at the end', async () => {
  const rows = await measure([workload((port) => ({ value: port }))], [entrant('one', 10), entrant('two', 20)])
  expect(runs()).toEqual(['run 10', 'run 20', 'run 20', 'run 10', 'run 10', 'run 20'])
  expect(events.filter((event) => !event.startsWith('run'))).toEqual(['start one', 'start two', 'stop one', 'stop two'])
  expect(rows.map(({ subject, value, ratio, rounds }) => ({ subject, value, ratio, rounds }))).toEqual([
    { subject: 'one', value: 10, ratio: 1, rounds: 3 },
    { subject: 'two', value: 20, ratio: 2, rounds: 3 },
  ])
})

test('one failed run fails the row, good rounds before it notwithstanding, and the others go on', async () => {
  let runsOfTwo = 0
  const work = workload((port) => {
    if (port === 20 && ++runsOfTwo === 2) throw new Error('wrong byte')
    return { value: port }
  })
  const [one, two] = await measure([work], [entrant('one', 10), entrant('two', 20)])
  expect(one).toMatchObject({ failed: null, rounds: 3 })
  expect(two).toMatchObject({ failed: 'wrong byte', value: null, ratio: null, rounds: 0 })
  expect(runsOfTwo).toBe(2)
})

test('after a failure the next workload gets a new process', async () => {
  const bad = workload(() => {
    throw new Error('broken')
  })
  const good = workload((port) => ({ value: port }), { id: 'good', name: 'good' })
  const rows = await measure([bad, good], [entrant('one', 10)])
  expect(rows.map(({ failed }) => failed)).toEqual(['broken', null])
  expect(events.filter((event) => event === 'start one')).toHaveLength(2)
  expect(events.filter((event) => event === 'stop one')).toHaveLength(2)
})

test('there is no ratio to a reference that failed', async () => {
  const work = workload((port) => {
    if (port === 10) throw new Error('broken')
    return { value: port }
  })
  const rows = await measure([work], [entrant('one', 10), entrant('two', 20)])
  expect(rows[1]).toMatchObject({ subject: 'two', value: 20, ratio: null })
})

test('a subject that does not start fails, with the reason', async () => {
  const { subject } = entrant('one', 10)
  const broken: Entrant = {
    subject: { ...subject, start: () => Promise.reject(new Error('did not start')) },
    version: '1',
  }
  expect((await measure([workload(() => ({ value: 1 }))], [broken]))[0]?.failed).toBe('did not start')
})

test('a fresh workload has a process of its own for every run', async () => {
  await measure([workload((port) => ({ value: port }), { fresh: true })], [entrant('one', 10)])
  const once = ['start one', 'run 10', 'stop one']
  expect(events).toEqual([...once, ...once, ...once])
})

test('a workload leaves out what it does not suit', async () => {
  const work = workload((port) => ({ value: port }), { suits: ({ name }) => name !== 'two' })
  const rows = await measure([work], [entrant('one', 10), entrant('two', 20)])
  expect(rows.map(({ subject }) => subject)).toEqual(['one'])
})
