import type { ChannelOwner } from './channel.ts'
import type { Dial, DialRequest, ProbeTarget, Protocol, Session } from './contracts.ts'
import { GatewayError } from './errors.ts'
import type { PipelineParts } from './pipeline.ts'
import { defaultPortOf } from './protocols.ts'
import { UpstreamChannel } from './upstream.ts'

const MAX_PROBE_BYTES = 65_536

/** One question to one endpoint: does it serve? Nothing of it is left when this settles. */
export async function probe(parts: PipelineParts, dial: Dial, target: ProbeTarget, signal: AbortSignal): Promise<void> {
  const { backend, key, listener } = target
  const protocol = parts.protocolOf(listener, target.protocol)
  const dialled = await dial(dialRequest(parts, target, protocol, undefined), signal)
  if (protocol?.ready === undefined) return dialled.link.destroy()
  const upstream = new UpstreamChannel(dialled, ownerless(signal), MAX_PROBE_BYTES, key, backend, parts.backendTls)
  const leave = (): void => upstream.fail(GatewayError.from(signal.reason, 'PROXY_CLIENT_GONE'))
  signal.addEventListener('abort', leave, { once: true })
  // The dial may have succeeded in the very turn in which the probe was given up.
  if (signal.aborted) leave()
  try {
    await protocol.ready(upstream, signal, parts.tlsModeOf(listener))
  } finally {
    signal.removeEventListener('abort', leave)
    upstream.destroy()
  }
}

/** Made in one go: every session dials. Without a session it is on the gateway's own account. */
export function dialRequest(
  parts: PipelineParts,
  target: ProbeTarget,
  protocol: Protocol | undefined,
  session: Session | undefined,
): DialRequest {
  const { backend, key, listener, protocol: name, endpoint = backend.endpoints[0] } = target
  if (endpoint === undefined) throw new GatewayError('PROXY_RESOLVE_INTERNAL')
  const introduced = backend.proxyProtocol === 0 ? undefined : session
  return {
    backend,
    endpoint,
    defaultPort: protocol?.defaultPort ?? defaultPortOf(name),
    connectTimeoutMs: backend.connectTimeoutMs ?? parts.connectTimeoutMs,
    protocol: name,
    listener,
    session: session?.id,
    key,
    client: introduced?.client.peer,
    local: introduced?.local,
  }
}

/** A channel that no session owns: its caller does. */
export function ownerless(signal: AbortSignal): ChannelOwner {
  return { signal, channelEnded() {}, channelClosed() {}, channelDetached() {} }
}
