/**
 * What a cold start adds: `node --conditions=@proxy/source apps/gateway/test/herd/figure.ts [--sizes 10,100,1000] [--rounds 21]
 * [--protocols http,postgres,mysql,mongodb,smtp,tcp]`, on a machine with two processors that does nothing else. A herd waits for a backend that
 * starts, of which the resolver tells (`cold`) or leaves the gateway to find out (`asked`). For comparison the same herd waits in the same
 * gateway for a resolver that answers late, for a backend that runs. They take turns. Times count from the moment at which the backend listens, or at which the resolver answers; processor time is that of the gateway,
 * from then until all are served. The gateway has one processor, clients and backend have the other.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type ProtocolName, protocolNames } from '../faults/speakers.ts'
import { CheapClient } from './cheap-clients.ts'
import { field } from './field.ts'
import { interval, median, quantile } from './statistics.ts'

const kinds = ['cold', 'asked', 'late'] as const
type Kind = (typeof kinds)[number]

/** Milliseconds, in order. */
interface Round {
  readonly told: readonly number[]
  readonly dialled: readonly number[]
  readonly served: readonly number[]
  readonly cpu: readonly number[]
}

const rows = [
  ['told', 0.01],
  ['told', 0.5],
  ['told', 0.99],
  ['dialled', 0.5],
  ['dialled', 0.99],
  ['served', 0.01],
  ['served', 0.5],
  ['served', 0.9],
  ['served', 0.99],
  ['served', 1],
  ['cpu', 1],
] as const

/** What the compiler needs before it leaves everything alone. */
const warmUps = 4

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '10,100,1000' },
    rounds: { type: 'string', default: '21' },
    protocols: { type: 'string', default: protocolNames.join() },
  },
})
const protocols = values.protocols.split(',') as ProtocolName[]
const of = await field({ coldStart: { wokenTtlMs: 0 }, cache: false })

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(20)
}

async function round(kind: Kind, size: number): Promise<Round> {
  of.holdBack()
  if (kind === 'late') {
    of.letGo()
    await of.late()
  }
  if (kind === 'asked') await of.hasty()
  await of.observed()
  const before = await of.asked()
  const clients = Array.from({ length: size }, (_, index) => {
    const protocol = protocols[index % protocols.length]!
    return new CheapClient(protocol, of.port(protocol))
  })
  const answers = Promise.all(clients.map(({ answer }) => answer))
  await until(async () => (await of.asked()) === before + size)
  await of.settle()
  const cpu = await of.cpuMs()
  of.letGo(kind === 'late' ? 'answer' : 'go')
  const served = await answers
  const spent = (await of.cpuMs()) - cpu
  const { readyAt, routes, dials } = await of.observed()
  for (const client of clients) client.leave()
  await until(async () => (await of.connections()) === 0)
  await of.sleep()
  const since = (times: readonly number[]): number[] => times.map((at) => at - readyAt).sort((a, b) => a - b)
  return {
    told: since(routes),
    dialled: since(dials.filter(({ session }) => session).map(({ to }) => to)),
    served: since(served),
    cpu: [spent],
  }
}

const shown = (ms: number): string => ms.toFixed(1)

function print(cells: readonly string[]): void {
  process.stdout.write(`${cells.map((cell, index) => cell.padEnd(index === 0 ? 14 : 24)).join('')}\n`)
}

/** The median, and between what half of all are. */
const summary = (numbers: readonly number[]): string =>
  `${shown(median(numbers))} (${shown(quantile(numbers, 0.25))}..${shown(quantile(numbers, 0.75))})`

/** What is said of all rounds, and where it lies with 95 %. */
function estimate(rounds: number, said: (drawn: readonly number[]) => number): string {
  const [low, high] = interval(rounds, said)
  return `${shown(said([...Array(rounds).keys()]))} (${shown(low)}..${shown(high)})`
}

/** The median over pairs of rounds. */
function difference(ours: readonly number[], theirs: readonly number[]): string {
  return estimate(ours.length, (drawn) => median(drawn.map((index) => ours[index]! - theirs[index]!)))
}

/** Between the 99th percentiles of all clients of all rounds. */
function pooled(ours: readonly Round[], theirs: readonly Round[]): string {
  const p99 = (rounds: readonly Round[], drawn: readonly number[]): number =>
    quantile(
      drawn.flatMap((index) => rounds[index]!.served),
      0.99,
    )
  return estimate(ours.length, (drawn) => p99(ours, drawn) - p99(theirs, drawn))
}

function table(size: number, all: Readonly<Record<Kind, readonly Round[]>>): void {
  const what = 'milliseconds, median (quartiles); added: median (where that lies with 95 %)'
  process.stdout.write(`\n${size} clients, ${all.late.length} rounds: ${what}\n`)
  print(['', 'cold start', 'asked for', 'late answer', 'added, cold', 'added, asked'])
  for (const [part, q] of rows) {
    const [cold, asked, late] = kinds.map((kind) => all[kind].map((one) => quantile(one[part], q)))
    const name = part === 'cpu' ? part : `${part} p${100 * q}`
    print([name, summary(cold!), summary(asked!), summary(late!), difference(cold!, late!), difference(asked!, late!)])
  }
  print(['of all p99', '', '', '', pooled(all.cold, all.late), pooled(all.asked, all.late)])
}

async function measure(size: number): Promise<void> {
  const all: Record<Kind, Round[]> = { cold: [], asked: [], late: [] }
  for (let count = -warmUps; count < Number(values.rounds); count++) {
    for (const kind of count % 2 === 0 ? kinds : kinds.toReversed()) {
      const measured = await round(kind, size)
      if (count === -warmUps) await of.pin()
      if (count >= 0) all[kind].push(measured)
    }
  }
  table(size, all)
}

try {
  for (const size of values.sizes.split(',').map(Number)) await measure(size)
} finally {
  await of.stop()
}
