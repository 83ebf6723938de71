import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findFreePort } from './ports.ts'
import { run } from './processes.ts'
import { redisServer, type RedisServer, startedRedis } from './redis.ts'

/** A primary with a replica, watched by three Sentinels, which replace it half a second after it is gone. */
export interface RedisSentinels {
  readonly name: string
  readonly primary: RedisServer
  readonly replica: RedisServer
  readonly sentinels: readonly { readonly host: string; readonly port: number }[]
  stop(): Promise<void>
}

/** Needs `redis-server` and `redis-cli`. */
export async function redisSentinels(): Promise<RedisSentinels> {
  const name = 'routes'
  const primary = await redisServer()
  const replica = await redisServer([
    '--replicaof',
    primary.host,
    String(primary.port),
    '--repl-diskless-sync-delay',
    '0',
  ])
  await until(replica, ['info', 'replication'], /master_link_status:up/)
  const sentinels = await Promise.all(Array.from({ length: 3 }, () => sentinelOf(name, primary)))
  await Promise.all(
    sentinels.map((sentinel) => until(sentinel, ['sentinel', 'master', name], /num-slaves\n1\nnum-other-sentinels\n2/)),
  )
  const all = [...sentinels, replica, primary]
  const stop = async (): Promise<void> => void (await Promise.all(all.map((server) => server.stop())))
  return { name, primary, replica, sentinels: sentinels.map(({ host, port }) => ({ host, port })), stop }
}

async function sentinelOf(name: string, { host, port }: RedisServer): Promise<RedisServer> {
  const lines = [
    `sentinel monitor ${name} ${host} ${port} 2`,
    `sentinel down-after-milliseconds ${name} 500`,
    `sentinel failover-timeout ${name} 3000`,
  ]
  return startedRedis(await findFreePort(), ['--sentinel'], (directory) => {
    const file = join(directory, 'sentinel.conf')
    writeFileSync(file, `${lines.join('\n')}\n`)
    return [file]
  })
}

/** Asks until the answer matches. */
export async function until({ port }: RedisServer, command: readonly string[], pattern: RegExp): Promise<string> {
  for (let attempts = 0; attempts < 200; attempts++) {
    const { stdout } = await run('redis-cli', ['-p', String(port), ...command])
    if (pattern.test(stdout.replaceAll('\r', ''))) return stdout
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`redis-cli ${command.join(' ')} never answered anything like ${pattern}`)
}
