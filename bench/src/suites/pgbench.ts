import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { postgresServer } from '@proxy/test-servers'
import type { Bench } from '../bench.ts'
import { database, measurePgbench, pgbench, query } from '../pgbench.ts'
import type { Address, Running } from '../subject.ts'
import { direct } from '../subjects/direct.ts'
import { gateway, gatewayEpoll } from '../subjects/gateway.ts'
import { haproxy } from '../subjects/haproxy.ts'
import { pgbouncer } from '../subjects/pgbouncer.ts'
import type { Suite, Workload } from '../suite.ts'

/** Rows of pgbench_accounts in 100,000s. */
const scale = 10
const clients = 16

/** pgbench looks at no row that it selects; this script does, and fails with a division by zero at a wrong one. */
const checkedSelect = `\\set aid random(1, ${scale * 100_000})
SELECT aid AS found FROM pgbench_accounts WHERE aid = :aid \\gset
\\if :found <> :aid
SELECT 1 / 0;
\\endif
`

const checkRows = async (bench: Bench, target: Running): Promise<void> => {
  const file = join(bench.directory, 'checked-select.sql')
  writeFileSync(file, checkedSelect)
  await pgbench(bench, target.address, ['-M', 'prepared', '-c', String(clients), '-t', '20', '-f', file])
}

const select = (id: string, name: string, args: readonly string[]): Workload => ({
  id,
  name,
  unit: 'tx/s',
  run: async (bench, target, span) => {
    await checkRows(bench, target)
    const { sample } = await measurePgbench(bench, target, ['-S', ...args], span.seconds)
    return sample
  },
})

const historyLength = (bench: Bench, backend: Address): Promise<number> =>
  query(bench, backend, 'SELECT count(*) FROM pgbench_history')

/** Every transaction leaves one row; those counted by the client must be those in the table. */
const tpcb: Workload = {
  id: 'tpcb',
  name: `pgbench TPC-B, prepared, ${clients} clients`,
  unit: 'tx/s',
  run: async (bench, target, span) => {
    const before = await historyLength(bench, span.backend)
    const args = ['-M', 'prepared', '-c', String(clients)]
    const { sample, transactions } = await measurePgbench(bench, target, args, span.seconds)
    const written = (await historyLength(bench, span.backend)) - before
    if (written !== transactions)
      throw new Error(`${transactions} transactions were counted, ${written} are in the table`)
    return sample
  },
}

/** One client: what each statement waits. */
const latency: Workload = {
  id: 'latency',
  name: 'pgbench -S, prepared, 1 client, median (less is better)',
  unit: 'us',
  run: async (bench, target, { seconds }) => {
    const { sample } = await measurePgbench(bench, target, ['-S', '-M', 'prepared', '-c', '1'], seconds)
    return { value: sample.p50Us!, p50Us: sample.p50Us!, p99Us: sample.p99Us! }
  },
}

/** On the load core, as the harness itself is. */
const startBackend = async (bench: Bench): Promise<Address> => {
  const server = await postgresServer({ databases: [database], hba: ['host all all 127.0.0.1/32 trust'] })
  bench.defer(() => server.stop())
  const address = { host: server.host, port: server.port }
  await pgbench(bench, address, ['-i', '-q', '-s', String(scale)])
  await query(bench, address, 'VACUUM ANALYZE')
  return address
}

export const pgbenchSuite: Suite = {
  name: 'pgbench',
  reference: 'haproxy',
  subjects: [gateway('postgres'), gatewayEpoll('postgres'), haproxy('tcp'), pgbouncer, direct],
  workloads: [
    select('select', `pgbench -S, prepared, ${clients} clients`, ['-M', 'prepared', '-c', String(clients)]),
    tpcb,
    select('connect', 'pgbench -S -C, a connection per transaction, 8 clients', ['-C', '-c', '8']),
    latency,
  ],
  plan: { rounds: 3, seconds: 4, warmup: 0, firstWarmup: 0 },
  quickPlan: { rounds: 1, seconds: 2, warmup: 0, firstWarmup: 0 },
  startBackend,
}
