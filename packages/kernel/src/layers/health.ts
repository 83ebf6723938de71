import { invalid } from '../address.ts'
import type { Layer } from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import { HealthChecks } from './health-checks.ts'

export interface HealthOptions {
  /** Time between two checks of an endpoint, spread by a tenth. Default 5,000 ms. */
  readonly intervalMs?: number | undefined
  /** A check that takes longer has failed. Default 2,000 ms. */
  readonly timeoutMs?: number | undefined
  /** Checks in a row that must succeed for an unhealthy endpoint to be healthy again. Default 2. */
  readonly rise?: number | undefined
  /** Checks in a row that must fail for it to be unhealthy. Default 3. */
  readonly fall?: number | undefined
  /** Check backends of one endpoint too, so that they are seen in statistics: they are dialled all the same. Default false. */
  readonly singleEndpoints?: boolean | undefined
  /** Endpoints that are checked at a time; those of further backends are not. Default 1,000. */
  readonly maxEndpoints?: number | undefined
  /** Failures in a row of real connections after which an endpoint is left out for a while. Default 5. */
  readonly ejectAfter?: number | undefined
  /** How long it is left out at first; doubled each time that it comes back no better, up to 300,000 ms. Default 10,000 ms. */
  readonly ejectMs?: number | undefined
  /** Share of the endpoints of a backend that may be left out so. Default 0.5. */
  readonly maxEjectedShare?: number | undefined
}

/**
 * Keeps connections away from endpoints that do not serve, as long as the backend has others. Such an endpoint is refused with
 * `PROXY_BACKEND_UNHEALTHY`, and `retry`, which has to stand outside of this layer, goes on to the next. When none is healthy, all are
 * dialled: a check may be wrong, and it can be no worse.
 *
 * Backends that sessions have dialled within the last minute are checked, by the protocol's own `ready` or, where it has none, by a
 * connection; tenants that went idle are not. Real connections are watched too: an endpoint whose dials fail or whose upstreams
 * break off, again and again, is left out for a while. Throws `PROXY_CONFIG_INVALID`.
 */
export function health(options: HealthOptions = {}): Layer {
  const settings = {
    intervalMs: atLeast1('intervalMs', options.intervalMs ?? 5_000),
    timeoutMs: atLeast1('timeoutMs', options.timeoutMs ?? 2_000),
    rise: atLeast1('rise', options.rise ?? 2),
    fall: atLeast1('fall', options.fall ?? 3),
    singleEndpoints: options.singleEndpoints ?? false,
    maxEndpoints: atLeast1('maxEndpoints', options.maxEndpoints ?? 1_000),
    ejectAfter: atLeast1('ejectAfter', options.ejectAfter ?? 5),
    ejectMs: atLeast1('ejectMs', options.ejectMs ?? 10_000),
    maxEjectedShare: share('maxEjectedShare', options.maxEjectedShare ?? 0.5),
  }
  let latest: HealthChecks | undefined
  return {
    name: 'health',
    setup(context) {
      const checks = new HealthChecks(settings, context)
      latest = checks
      return checks.watch()
    },
    dial(next) {
      const checks = latest
      if (checks === undefined) throw new GatewayError('PROXY_INTERNAL')
      return (request, signal) => {
        const watched = request.session === undefined ? undefined : checks.use(request)
        return watched === undefined ? next(request, signal) : checks.dial(next, request, signal, watched)
      }
    },
    stats: () => latest?.stats() ?? { endpoints: [] },
  }
}

function atLeast1(name: string, value: number): number {
  if (value >= 1) return value
  throw invalid(`${name}: ${value}`, 'is not 1 or more')
}

function share(name: string, value: number): number {
  if (value >= 0 && value <= 1) return value
  throw invalid(`${name}: ${value}`, 'is not between 0 and 1')
}
