import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis'

/** A Redis Cluster: some of its nodes, and the options with which each is connected to. */
export interface RedisClusterSource {
  /** `host:port` of some nodes; the others are learned from them. */
  readonly cluster: readonly string[]
  /** Account, password, TLS. Default: none. */
  readonly options?: NonNullable<ClusterOptions['redisOptions']> | undefined
}

/**
 * Where Redis is: a URL (`redis://`, `rediss://` with TLS), the options of ioredis (`{ host, port }`, or `{ sentinels, name }`),
 * `{ cluster: ['host:port', ...] }`, or a client of ioredis, which stays its owner's: it is used and never closed.
 */
export type RedisSource = string | RedisOptions | RedisClusterSource | Redis | Cluster

export type Client = Redis | Cluster

export interface Opened {
  readonly client: Client
  /** Whether it was made here, and is to be closed here. */
  readonly owned: boolean
}

const longestPauseMs = 2_000
const connectTimeoutMs = 2_000

/** Between attempts to connect: longer each time, and spread so that gateways do not come back all at once. */
export function pauseMs(attempts: number): number {
  const ceiling = Math.min(longestPauseMs, 50 * 2 ** Math.min(attempts, 10))
  return ceiling / 2 + (Math.random() * ceiling) / 2
}

/** Nothing is queued while Redis is away, and nothing is sent twice: who asked is told at once. */
const impatient = {
  connectTimeout: connectTimeoutMs,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  retryStrategy: pauseMs,
  sentinelRetryStrategy: pauseMs,
  // After a fail-over the former primary may come back as a replica.
  reconnectOnError: (error: Error): boolean => error.message.startsWith('READONLY'),
  replyMapping: 'legacy',
} as const satisfies RedisOptions

/** Opens what `source` names; connecting goes on in the background. */
export function openClient(source: RedisSource): Opened {
  if (source instanceof Redis || source instanceof Cluster) return { client: source, owned: false }
  if (typeof source === 'string') return { client: new Redis(source, impatient), owned: true }
  if ('cluster' in source) return { client: openCluster(source), owned: true }
  return { client: new Redis({ ...source, ...impatient }), owned: true }
}

function openCluster({ cluster, options }: RedisClusterSource): Cluster {
  return new Cluster([...cluster], {
    enableOfflineQueue: false,
    clusterRetryStrategy: pauseMs,
    slotsRefreshTimeout: connectTimeoutMs,
    redisOptions: { ...options, connectTimeout: connectTimeoutMs, maxRetriesPerRequest: 0, replyMapping: 'legacy' },
  })
}

/** A connection of its own, not begun yet, that is given up when it breaks off. Of a Cluster any node will do. */
export function separate(client: Client): Redis {
  const once = {
    lazyConnect: true,
    connectTimeout: connectTimeoutMs,
    retryStrategy: () => null,
    sentinelRetryStrategy: () => null,
    maxRetriesPerRequest: 0,
    autoResubscribe: false,
    enableOfflineQueue: false,
    readOnly: false,
  } satisfies RedisOptions
  if (client instanceof Redis) return client.duplicate(once)
  const nodes = client.nodes('all')
  const node = nodes[Math.floor(Math.random() * nodes.length)]
  if (node === undefined) throw new Error('no node of the Redis Cluster is known')
  return node.duplicate(once)
}
