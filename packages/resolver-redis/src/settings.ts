import { GatewayError } from '@proxy/kernel'
import type { RedisSource } from './source.ts'
import type { RedisState } from './link.ts'

/** What everything here is told about Redis. */
export interface RedisOptions {
  /** URL, options of ioredis (single or Sentinel), `{ cluster: ['host:port'] }`, or a client of ioredis. Default `redis://127.0.0.1:6379`. */
  readonly redis?: RedisSource | undefined
  /** Put before the names of keys and channels. Default `proxy:`. */
  readonly prefix?: string | undefined
  /** A command that takes longer means that Redis is away. Default 500 ms. */
  readonly commandTimeoutMs?: number | undefined
}

export interface RedisSettings {
  readonly redis: RedisSource
  readonly prefix: string
  readonly commandTimeoutMs: number
}

/** Told when Redis goes away (`stale`, with the reason) and when it is back (`ready`). */
export type StateListener = (state: RedisState, error: Error | undefined) => void

/** Throws `PROXY_CONFIG_INVALID`. */
export function redisSettings({ redis, prefix, commandTimeoutMs = 500 }: RedisOptions): RedisSettings {
  if (!(commandTimeoutMs > 0)) throw invalid('commandTimeoutMs: not a positive number of milliseconds')
  return { redis: redis ?? 'redis://127.0.0.1:6379', prefix: prefix ?? 'proxy:', commandTimeoutMs }
}

export function invalid(message: string): GatewayError {
  return new GatewayError('PROXY_CONFIG_INVALID', { message: `redis: ${message}` })
}
