import { invalid } from '../address.ts'
import type { Clock, Layer } from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import { ConnectionCount } from './connection-count.ts'
import { RateLimit } from './rate-limit.ts'

export interface LimitsOptions {
  /** Sessions at a time that are routed to one key. Default: no limit. */
  readonly maxConnectionsPerKey?: number | undefined
  /** Routes a second to one key, with a burst of as many. An HTTP request is a route. Default: no limit. */
  readonly maxRoutesPerSecondPerKey?: number | undefined
}

/**
 * Limits per tenant, in this process. Name it first: it refuses before anything is looked up or woken. A session counts
 * for a key from its first route there to its end, unless that route fails. Refusals are `PROXY_LIMIT_CONNECTIONS` and
 * `PROXY_LIMIT_RATE`, the latter with `retryAfterMs`. Throws `PROXY_CONFIG_INVALID`.
 */
export function limits(options: LimitsOptions): Layer {
  const connections = new ConnectionCount(checked('maxConnectionsPerKey', options.maxConnectionsPerKey))
  const rate = new RateLimit(checked('maxRoutesPerSecondPerKey', options.maxRoutesPerSecondPerKey))
  let clock: Clock | undefined
  return {
    name: 'limits',
    setup(context) {
      clock = context.clock
      return connections.watch(context.hooks)
    },
    resolve(next) {
      const time = clock
      if (time === undefined) throw new GatewayError('PROXY_INTERNAL')
      return (request, signal) => {
        rate.take(request.key, time)
        return connections.resolve(next, request, signal)
      }
    },
    stats: () => ({ keys: Math.max(connections.keys, rate.keys) }),
  }
}

function checked(name: string, limit: number = Number.POSITIVE_INFINITY): number {
  if (limit > 0) return limit
  throw invalid(`${name}: ${limit}`, 'is not more than 0')
}
