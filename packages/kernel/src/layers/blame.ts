import { formatAddress } from '../address.ts'
import type { Backend, Endpoint } from '../contracts.ts'
import { GatewayError } from '../errors.ts'

/** Dials that the system of the gateway could not begin, whatever the endpoint is like. */
const ownShortages: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL'])

/** Whether a dial that failed speaks against the endpoint, and not against the client, the policies or the gateway itself. */
export function blamesEndpoint(error: unknown): error is GatewayError {
  if (!GatewayError.is(error) || error.origin !== 'backend') return false
  return !ownShortages.has((error.cause as { readonly code?: unknown } | undefined)?.code)
}

/** Names an endpoint of a backend. */
export function endpointKey(backend: Backend, endpoint: Endpoint): string {
  return `${backend.id} ${formatAddress(endpoint)}`
}
