import type { ListenerSetup } from './generation.ts'
import type { LinkChannel } from './channel.ts'
import type { RelayFlight, RelayOptions, RelayRequest, Upstream } from './contracts.ts'
import { GatewayError } from './errors.ts'

/** Takes the links from both channels and gives them to the first relay that wants them. */
export function beginRelay(
  setup: ListenerSetup,
  clientEnd: LinkChannel,
  upstream: Upstream,
  options: RelayOptions,
): RelayFlight {
  const { parts } = setup.generation.pipeline
  const client = clientEnd.detach()
  const backend = upstream.detach()
  const request: RelayRequest = {
    client: client.link,
    backend: backend.link,
    clientUnread: client.unread,
    backendUnread: backend.unread,
    options: withIdleTimeout(options, setup.idleTimeoutMs),
    clock: parts.clock,
  }
  for (const relay of options.relay === undefined ? parts.relays : [options.relay]) {
    const flight = relay.start(request)
    if (flight !== undefined) return flight
  }
  throw new GatewayError('PROXY_INTERNAL')
}

/** The options of a protocol live as long as its relays: there is one copy of them wherever that will do. */
function withIdleTimeout(options: RelayOptions, idleTimeoutMs: number): RelayOptions {
  return options.idleTimeoutMs !== undefined || idleTimeoutMs === 0 ? options : { ...options, idleTimeoutMs }
}
