import { invalid } from '../address.ts'
import type { Layer } from '../contracts.ts'
import { GatewayError } from '../errors.ts'
import { Circuits } from './circuits.ts'

export interface BreakerOptions {
  /** Failures in a row, of dials or of upstreams that were dialled, that open a circuit. Default 5. */
  readonly failures?: number | undefined
  /** How long a circuit is open at first; doubled each time that it is opened again. Default 1,000 ms. */
  readonly openMs?: number | undefined
  /** Longest time that it is open. Default 30,000 ms. */
  readonly maxOpenMs?: number | undefined
}

/**
 * Leaves endpoints alone that keep failing. Each endpoint of a backend has a circuit of its own. An open one refuses dials with
 * `PROXY_CIRCUIT_OPEN` and `retryAfterMs`; when its time is up, exactly one session is let through, and what becomes of it closes
 * the circuit or opens it again. Name it behind `retry`, which goes on to the next endpoint.
 *
 * Failures are those of the endpoint: it cannot be found, dialled or secured, or is dialled and breaks off, stays silent or talks
 * nonsense before it has answered. What it answers is none, a denied login and an error of SQL or HTTP included. A backend
 * that was woken, and one whose route changed, begin anew. Throws `PROXY_CONFIG_INVALID`.
 */
export function breaker(options: BreakerOptions = {}): Layer {
  const openMs = checked('openMs', options.openMs ?? 1_000)
  const settings = {
    failures: checked('failures', options.failures ?? 5),
    openMs,
    maxOpenMs: Math.max(openMs, checked('maxOpenMs', options.maxOpenMs ?? 30_000)),
  }
  let latest: Circuits | undefined
  return {
    name: 'breaker',
    setup(context) {
      const circuits = new Circuits(settings, context)
      latest = circuits
      return circuits.watch()
    },
    dial(next) {
      const circuits = latest
      if (circuits === undefined) throw new GatewayError('PROXY_INTERNAL')
      return (request, signal) =>
        request.session === undefined ? next(request, signal) : circuits.dial(next, request, request.session, signal)
    },
    stats: () => latest?.stats() ?? { circuits: [], open: 0, halfOpen: 0 },
  }
}

function checked(name: string, value: number): number {
  if (value >= 1) return value
  throw invalid(`${name}: ${value}`, 'is not 1 or more')
}
