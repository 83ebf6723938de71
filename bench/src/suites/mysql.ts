import { mariadbServer } from '@proxy/test-servers'
import type { Bench } from '../bench.ts'
import { measureClient, throughputSample, warmed } from '../client-load.ts'
import { checkTable } from '../mysql-table.ts'
import type { Address } from '../subject.ts'
import { direct } from '../subjects/direct.ts'
import { gateway, gatewayEpoll } from '../subjects/gateway.ts'
import { haproxy } from '../subjects/haproxy.ts'
import type { Suite, Workload } from '../suite.ts'
import { measureSysbench, sysbench } from '../sysbench.ts'

const threads = 16
const lanes = 8

const statements = (id: string, script: string, unit: string): Workload => ({
  id,
  name: `sysbench ${script}, ${threads} connections`,
  unit,
  run: async (bench, target, span) => {
    await checkTable(target.address, span.backend)
    return warmed(span, (seconds) => measureSysbench(bench, target, script, { threads, seconds }))
  },
})

const latency: Workload = {
  id: 'latency',
  name: 'sysbench oltp_point_select, 1 connection, median (less is better)',
  unit: 'us',
  run: async (bench, target, { seconds }) => {
    const { p50Us, p99Us } = await measureSysbench(bench, target, 'oltp_point_select', { threads: 1, seconds })
    return { value: p50Us!, p50Us: p50Us!, p99Us: p99Us! }
  },
}

const connect: Workload = {
  id: 'connect',
  name: `mysql2: connect, log in, select, quit, ${lanes} at a time`,
  unit: 'conn/s',
  run: async (bench, target, span) => {
    const measure = (seconds: number): ReturnType<typeof measureClient> =>
      measureClient(bench, 'mysql.ts', target, { mode: 'connect', concurrency: lanes, seconds })
    return throughputSample(await warmed(span, measure))
  },
}

/** On the load core, as the harness itself is. */
const startBackend = async (bench: Bench): Promise<Address> => {
  const server = await mariadbServer({ databases: ['bench'], settings: ['--innodb-buffer-pool-size=64M'] })
  bench.defer(() => server.stop())
  const address = { host: server.host, port: server.port }
  await sysbench(bench, address, ['oltp_read_only', 'prepare'])
  return address
}

export const mysqlSuite: Suite = {
  name: 'mysql',
  reference: 'haproxy',
  subjects: [gateway('mysql'), gatewayEpoll('mysql'), haproxy('tcp'), direct],
  workloads: [
    statements('point', 'oltp_point_select', 'queries/s'),
    statements('read-only', 'oltp_read_only', 'tx/s'),
    connect,
    latency,
  ],
  plan: { rounds: 3, seconds: 5, warmup: 0, firstWarmup: 2 },
  quickPlan: { rounds: 1, seconds: 2, warmup: 0, firstWarmup: 0 },
  startBackend,
}
