import { findFreePort } from './ports.ts'
import { runOrThrow } from './processes.ts'
import { startedRedis, type RedisServer } from './redis.ts'
import { until } from './redis-sentinels.ts'

/** A Redis Cluster of three primaries without replicas. */
export interface RedisCluster {
  readonly nodes: readonly RedisServer[]
  /** `host:port` of each. */
  readonly endpoints: readonly string[]
  /** Moves the slot of a key, with what is in it, to another node; which is told by its port. */
  moveSlotOf(key: string): Promise<number>
  stop(): Promise<void>
}

/** Needs `redis-server` and `redis-cli`. */
export async function redisClusterServers(): Promise<RedisCluster> {
  const nodes = await Promise.all(Array.from({ length: 3 }, startNode))
  const endpoints = nodes.map(({ endpoint }) => endpoint)
  await runOrThrow('redis-cli', ['--cluster', 'create', ...endpoints, '--cluster-yes'])
  await Promise.all(nodes.map((node) => until(node, ['cluster', 'info'], /cluster_state:ok/)))
  return {
    nodes,
    endpoints,
    moveSlotOf: (key) => moveSlot(nodes, key),
    stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))),
  }
}

async function startNode(): Promise<RedisServer> {
  const [port, bus] = [await findFreePort(), await findFreePort()]
  const cluster = ['--cluster-enabled', 'yes', '--cluster-port', String(bus), '--cluster-node-timeout', '2000']
  return startedRedis(port, ['--save', '', ...cluster])
}

async function moveSlot(nodes: readonly RedisServer[], key: string): Promise<number> {
  const slot = (await cli(nodes[0]!, 'cluster', 'keyslot', key)).trim()
  const owner = await ownerOf(nodes, key)
  const target = nodes.find((node) => node !== owner)!
  const [from, to] = [await cli(owner, 'cluster', 'myid'), await cli(target, 'cluster', 'myid')].map((id) => id.trim())
  await cli(target, 'cluster', 'setslot', slot, 'importing', from!)
  await cli(owner, 'cluster', 'setslot', slot, 'migrating', to!)
  const keys = (await cli(owner, 'cluster', 'getkeysinslot', slot, '1000')).split('\n').filter((name) => name !== '')
  if (keys.length > 0) await cli(owner, 'migrate', target.host, String(target.port), '', '0', '5000', 'keys', ...keys)
  for (const node of [target, owner]) await cli(node, 'cluster', 'setslot', slot, 'node', to!)
  return target.port
}

/** The node that does not answer MOVED. */
async function ownerOf(nodes: readonly RedisServer[], key: string): Promise<RedisServer> {
  for (const node of nodes) if (!(await cli(node, 'exists', key)).includes('MOVED')) return node
  throw new Error(`no node has the slot of ${key}`)
}

async function cli({ port }: RedisServer, ...command: string[]): Promise<string> {
  return (await runOrThrow('redis-cli', ['-p', String(port), ...command])).stdout
}
