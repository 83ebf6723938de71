import { mongoServer } from '@proxy/test-servers'
import { MongoClient } from 'mongodb'
import type { Bench } from '../bench.ts'
import { measureClient, throughputSample, waitSample, warmed } from '../client-load.ts'
import { database, documentCount, type Item, itemOf } from '../clients/documents.ts'
import type { Address } from '../subject.ts'
import { direct } from '../subjects/direct.ts'
import { gateway, gatewayEpoll } from '../subjects/gateway.ts'
import { haproxy } from '../subjects/haproxy.ts'
import type { Suite, Workload } from '../suite.ts'

const lanes = 16

const commands = (mode: 'find' | 'insert', name: string): Workload => ({
  id: mode,
  name: `${name}, ${lanes} connections`,
  unit: 'op/s',
  run: async (bench, target, span) => {
    const measure = (seconds: number): ReturnType<typeof measureClient> =>
      measureClient(bench, 'mongodb.ts', target, { mode, concurrency: lanes, seconds })
    return throughputSample(await warmed(span, measure))
  },
})

const latency: Workload = {
  id: 'latency',
  name: 'find one of 1 KiB by id, 1 connection, median (less is better)',
  unit: 'us',
  run: async (bench, target, { seconds }) =>
    waitSample(await measureClient(bench, 'mongodb.ts', target, { mode: 'find', concurrency: 1, seconds })),
}

/** On the load core, as the harness itself is. */
const startBackend = async (bench: Bench): Promise<Address> => {
  const server = await mongoServer({ users: [{ name: 'demo', password: 'demo', database }] })
  bench.defer(() => server.stop())
  const client = new MongoClient(server.url(database))
  try {
    const items = client.db().collection<Item>('items')
    await items.insertMany(Array.from({ length: documentCount }, (_, id) => itemOf(id)))
  } finally {
    await client.close()
  }
  return { host: server.host, port: server.port }
}

export const mongodbSuite: Suite = {
  name: 'mongodb',
  reference: 'haproxy',
  subjects: [gateway('mongodb'), gatewayEpoll('mongodb'), haproxy('tcp'), direct],
  workloads: [commands('find', 'find one of 1 KiB by id'), commands('insert', 'insert one of 1 KiB'), latency],
  plan: { rounds: 3, seconds: 5, warmup: 0, firstWarmup: 2 },
  quickPlan: { rounds: 1, seconds: 2, warmup: 0, firstWarmup: 0 },
  startBackend,
}
