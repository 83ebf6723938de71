import { invalid } from '../address.ts'
import type { Layer } from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import type { BalancePolicy } from './balance-group.ts'
import { Balancer } from './balancer.ts'

export interface BalanceOptions {
  /**
   * `least-connections`: the endpoint with the fewest connections for its weight; `p2c`: the better of two that are drawn by weight,
   * which suits many gateways in front of the same endpoints. Default `least-connections`.
   */
  readonly policy?: BalancePolicy | undefined
  /** How long an endpoint that is new or healthy again takes to get its whole share. Default 30,000 ms; 0 = at once. */
  readonly slowStartMs?: number | undefined
}

/**
 * Spreads the connections of a backend over its endpoints, by `weight` and without those that are `draining`, unhealthy or whose
 * circuit is open while there are others. Name it in front of `retry`, which goes on in the order that is chosen here. A connection
 * counts from its dial until its link is closed, whoever owns it: an HTTP connection that is pooled counts while it is. Counts
 * are those of this process. Throws `PROXY_CONFIG_INVALID`.
 */
export function balance(options: BalanceOptions = {}): Layer {
  const { policy = 'least-connections', slowStartMs = 30_000 } = options
  if (policy !== 'least-connections' && policy !== 'p2c') throw invalid(`policy: ${String(policy)}`, 'is no policy')
  if (!(slowStartMs >= 0)) throw invalid(`slowStartMs: ${slowStartMs}`, 'is not 0 or more')
  let latest: Balancer | undefined
  return {
    name: 'balance',
    setup(context) {
      const balancer = new Balancer(policy, slowStartMs, context)
      latest = balancer
      return balancer.watch()
    },
    dial(next) {
      const balancer = latest
      if (balancer === undefined) throw new GatewayError('PROXY_INTERNAL')
      return (request, signal) => {
        const alone = request.session === undefined || request.backend.endpoints.length === 1
        return alone ? next(request, signal) : balancer.dial(next, request, signal)
      }
    },
    stats: () => latest?.stats() ?? { endpoints: [] },
  }
}
