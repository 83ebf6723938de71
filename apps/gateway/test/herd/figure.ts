/**
 * What a cold start adds: `node --conditions=@proxy/source apps/gateway/test/herd/figure.ts [--sizes 10,100,1000] [--rounds 11]
 * [--protocols http,postgres,mysql,mongodb,smtp,tcp]`, on a machine that does nothing else. A herd waits for a backend that
 * starts. For comparison the same herd waits for a resolver that answers late, for a backend that runs. Both take turns. Times count from
 * the moment at which the backend listens, or at which the resolver answers; processor time is that of the gateway, from then until all are served.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type ProtocolName, protocolNames } from '../faults/speakers.ts'
import { field, type Field } from './field.ts'

const kinds = ['cold', 'late'] as const
type Kind = (typeof kinds)[number]

/** Milliseconds, in order. */
interface Round {
  readonly told: readonly number[]
  readonly dialled: readonly number[]
  readonly served: readonly number[]
  readonly cpu: readonly number[]
}

const rows = [
  ['told', 0.5],
  ['told', 0.99],
  ['dialled', 0.5],
  ['dialled', 0.99],
  ['served', 0.5],
  ['served', 0.9],
  ['served', 0.99],
  ['cpu', 1],
] as const

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '10,100,1000' },
    rounds: { type: 'string', default: '11' },
    protocols: { type: 'string', default: protocolNames.join() },
  },
})
const protocols = values.protocols.split(',') as ProtocolName[]

const now = (): number => Number(process.hrtime.bigint()) / 1e6

const inOrder = (numbers: readonly number[]): number[] => numbers.toSorted((a, b) => a - b)

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(20)
}

async function round(of: Field, kind: Kind, size: number): Promise<Round> {
  of.holdBack()
  if (kind === 'late') {
    of.letGo()
    await of.start()
  }
  await of.observed()
  const before = await of.asked()
  const clients = of.herd(size, protocols)
  const answers = clients.map(async ({ answer }) => ({ text: await answer, at: now() }))
  await until(async () => (await of.asked()) === before + size)
  const cpu = await of.cpuMs()
  of.letGo(kind === 'late' ? 'answer' : 'go')
  const served = await Promise.all(answers)
  const spent = (await of.cpuMs()) - cpu
  const { readyAt, routes, dials } = await of.observed()
  const unserved = served.filter(({ text }) => text !== 'kept')
  if (unserved.length > 0) throw new Error(`${unserved.length} of ${size} were told ${unserved[0]?.text}`)
  for (const client of clients) client.leave()
  await until(async () => (await of.connections()) === 0)
  await of.sleep()
  const since = (times: readonly number[]): number[] => inOrder(times.map((at) => at - readyAt))
  return {
    told: since(routes),
    dialled: since(dials.filter(({ session }) => session).map(({ to }) => to)),
    served: since(served.map(({ at }) => at)),
    cpu: [spent],
  }
}

const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN

/** The median, and between what half of all are. */
function summary(numbers: readonly number[]): string {
  const [low, middle, high] = [0.25, 0.5, 0.75].map((q) => quantile(inOrder(numbers), q).toFixed(1))
  return `${middle} (${low}..${high})`
}

function print(cells: readonly string[]): void {
  process.stdout.write(`${cells.map((cell, index) => cell.padEnd(index === 0 ? 14 : 24)).join('')}\n`)
}

function table(size: number, { cold, late }: Readonly<Record<Kind, readonly Round[]>>): void {
  process.stdout.write(`\n${size} clients, ${cold.length} rounds: milliseconds, median (quartiles)\n`)
  print(['', 'cold start', 'late answer', 'added'])
  for (const [part, q] of rows) {
    const [ours, theirs] = [cold, late].map((all) => all.map((one) => quantile(one[part], q))) as [number[], number[]]
    const added = ours.map((ms, index) => ms - theirs[index]!)
    print([part === 'cpu' ? part : `${part} p${100 * q}`, summary(ours), summary(theirs), summary(added)])
  }
}

async function measure(fields: Readonly<Record<Kind, Field>>, size: number): Promise<void> {
  const all: Record<Kind, Round[]> = { cold: [], late: [] }
  // The first rounds are the compiler's.
  for (let count = -2; count < Number(values.rounds); count++) {
    for (const kind of count % 2 === 0 ? kinds : kinds.toReversed()) {
      const measured = await round(fields[kind], kind, size)
      if (count >= 0) all[kind].push(measured)
    }
  }
  table(size, all)
}

const cold = await field({ coldStart: { wokenTtlMs: 0 }, cache: false })
const late = await field({ late: true })
try {
  for (const size of values.sizes.split(',').map(Number)) await measure({ cold, late }, size)
} finally {
  await Promise.all([cold.stop(), late.stop()])
}
