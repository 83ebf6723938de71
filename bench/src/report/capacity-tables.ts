import { short } from '../table.ts'
import { type Capacity, capacityOf, type Costs, costsOf, original } from './capacity.ts'
import type { Report } from './data.ts'

const subjects = { 'gateway-epoll': 'epoll transport', gateway: 'Node transport' } as const

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

const costRows: readonly (readonly [string, (costs: Costs) => string])[] = [
  ['user memory of an idle proxied connection, `u`', ({ userKib }) => `${userKib.toFixed(2)} KiB`],
  ['kernel memory of it, `k`', ({ kernelKib }) => `${kernelKib.toFixed(2)} KiB`],
  ['CPU time of a new connection, `c`', ({ connectionUs }) => `${connectionUs.toFixed(0)} us`],
  ['CPU time of 64 B and its answer, `m`', ({ exchangeUs }) => `${exchangeUs.toFixed(1)} us`],
  ['CPU time of an idle connection in a second, `i`', ({ idleUs }) => `${idleUs.toFixed(2)} us`],
]

const count = (value: number): string => Math.round(value).toLocaleString('en-GB')

const capacityRows: readonly (readonly [string, string, (capacity: Capacity) => string])[] = [
  ['idle connections that fit', count(original.connections), ({ connections }) => short(connections)],
  ['memory for each', `${original.kibEach} KB`, () => ''],
  [
    'new connections in a second, and nothing else',
    count(original.connectionsPerSecond),
    ({ connectionsPerSecond }) => short(connectionsPerSecond),
  ],
  [
    'messages of 64 B answered in a second, and nothing else',
    '',
    ({ exchangesPerSecond }) => short(exchangesPerSecond),
  ],
  [
    `memory of ${count(original.connections)} idle connections`,
    '',
    ({ originalGib }) => `${originalGib.toFixed(1)} GiB`,
  ],
  [
    `cores that ${count(original.connections)} idle connections keep busy`,
    '',
    ({ originalCores }) => originalCores.toFixed(2),
  ],
  [
    `messages in a second beside them and ${count(original.connectionsPerSecond)} new connections`,
    '',
    ({ exchangesBeside }) => short(exchangesBeside),
  ],
]

const variations: readonly (readonly [string, (costs: Costs) => Capacity])[] = [
  ['as measured', (costs) => capacityOf(costs)],
  ['user memory twice as much', (costs) => capacityOf({ ...costs, userKib: costs.userKib * 2 })],
  ['kernel memory twice as much', (costs) => capacityOf({ ...costs, kernelKib: costs.kernelKib * 2 })],
  ['every tenth connection with 64 KiB queued', (costs) => capacityOf(costs, 6.4)],
  ['every connection with 16 KiB queued', (costs) => capacityOf(costs, 16)],
  ['cores that do half as much (other hardware, a real network card)', (costs) => capacityOf(slower(costs))],
]

const slower = (costs: Costs): Costs => ({
  ...costs,
  connectionUs: costs.connectionUs * 2,
  exchangeUs: costs.exchangeUs * 2,
  idleUs: costs.idleUs * 2,
})

/** The tables of the capacity model, out of the report. */
export const capacityTables = (report: Report): string => {
  const measured = Object.entries(subjects).flatMap(([subject, name]) => {
    const costs = costsOf(report, subject)
    return costs === undefined ? [] : [{ name, costs }]
  })
  if (measured.length === 0) return 'Not measured yet.'
  const names = measured.map(({ name }) => name)
  const each = (costs: Costs): string => `${(costs.userKib + costs.kernelKib).toFixed(1)} KiB`
  return [
    table(
      ['measured', ...names],
      costRows.map(([what, show]) => [what, ...measured.map(({ costs }) => show(costs))]),
    ),
    table(
      ['8 cores, 32 GiB', 'the original', ...names],
      capacityRows.map(([what, theirs, show]) => [
        what,
        theirs,
        ...measured.map(({ costs }) => show(capacityOf(costs)) || each(costs)),
      ]),
    ),
    table(
      ['if', ...measured.flatMap(({ name }) => [`connections, ${name}`, `new ones in a second, ${name}`])],
      variations.map(([what, vary]) => [
        what,
        ...measured.flatMap(({ costs }) => {
          const { connections, connectionsPerSecond } = vary(costs)
          return [short(connections), short(connectionsPerSecond)]
        }),
      ]),
    ),
  ].join('\n\n')
}
