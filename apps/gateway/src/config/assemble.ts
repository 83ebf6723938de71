import type {
  GatewayOptions,
  Layer,
  ListenerOptions,
  Peers,
  Protocol,
  ResolveFunction,
  Resolver,
  RequestTracer,
} from '@proxy/kernel'
import { balance, breaker, cache, coldStart, health, idle, limits, retry } from '@proxy/kernel/layers'
import { backendTls } from '@proxy/tls'
import { guardExcept } from './guard-except.ts'
import { HostGuard } from './host-guard.ts'
import { listenerTls } from './listener-tls.ts'
import type { LoadedConfig } from './load.ts'
import { ConfigError, pathText } from './problems.ts'
import { namedProtocol } from './protocol-names.ts'
import { messageOf } from '../fleet/failure.ts'
import type { GatewayConfig, ListenerConfig, ProtocolOptions } from './types.ts'

export interface AssembleContext {
  /** Of this configuration. */
  readonly resolver: Resolver | ResolveFunction
  readonly peers: Peers
  /** Shared by the workers, so that TLS sessions begun in one are resumed in another. */
  readonly ticketKeys: Buffer
  /** Layers that watch, outside of all others. */
  readonly observers: readonly Layer[]
  /** Follows HTTP requests. */
  readonly tracer?: RequestTracer | undefined
}

/** What the kernel is started with. The configuration was validated. Throws {@link ConfigError}. */
export function assemble(loaded: LoadedConfig, context: AssembleContext): GatewayOptions {
  const { config, source } = loaded
  const part = <T>(path: readonly PropertyKey[], make: () => T): T => made(source, path, make)
  const exceptions = guardExcept(config)
  const names = new HostGuard()
  return {
    listeners: config.listeners.map((listener, index) =>
      part(['listeners', index], () => toListener(listener, loaded, context, names)),
    ),
    resolver: context.resolver,
    layers: [...context.observers, names, ...(config.layers ?? []), ...part([], () => policies(config)), ...exceptions],
    guard: exceptions.length > 0 || config.guard === false ? false : optionsOf(config.guard),
    relays: config.relays,
    backendTls: backendTls(),
    peers: context.peers,
    connectTimeoutMs: config.connectTimeoutMs,
  }
}

/** What the factories refuse is a problem of the configuration, too. */
function made<T>(source: string, path: readonly PropertyKey[], make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw new ConfigError(source, [{ path: pathText(path), message: messageOf(error) }], error)
  }
}

/** A control plane says how long its answers count. */
const cachesItself = (resolver: GatewayConfig['resolver']): boolean =>
  typeof resolver === 'object' && 'http' in resolver

/** Outermost first: a tenant beyond its limits is neither looked up nor woken. */
function policies(config: GatewayConfig): Layer[] {
  const layers = [
    typeof config.limits === 'object' && limits(config.limits),
    config.coldStart !== false && coldStart(optionsOf(config.coldStart)),
    config.idle !== false && idle(optionsOf(config.idle)),
    (config.cache ?? !cachesItself(config.resolver)) && cache(optionsOf(config.cache)),
    config.balance !== false && balance(optionsOf(config.balance)),
    config.retry !== false && retry(optionsOf(config.retry)),
    config.breaker !== false && breaker(optionsOf(config.breaker)),
    config.health !== false && health(optionsOf(config.health)),
  ]
  return layers.filter((layer) => layer !== false)
}

const optionsOf = <T extends object>(options: T | boolean | undefined): T | undefined =>
  typeof options === 'object' ? options : undefined

function toListener(
  listener: ListenerConfig,
  { directory }: LoadedConfig,
  { ticketKeys, tracer }: AssembleContext,
  names: HostGuard,
): ListenerOptions {
  const { address, name, proxyProtocol, idleTimeoutMs, backlog, reusePort } = listener
  const protocol = toProtocols(listener, tracer)
  const tls = listenerTls(listener, directory, ticketKeys)
  if (tls !== undefined) names.add(tls)
  return { address, protocol, name, tls, limits: listener.limits, proxyProtocol, idleTimeoutMs, backlog, reusePort }
}

function toProtocols(
  { protocol, options = {} }: ListenerConfig,
  tracer: RequestTracer | undefined,
): Protocol | readonly Protocol[] {
  const optionsFor = (name: string): ProtocolOptions => (name === 'http' ? { tracer, ...options } : options)
  const make = (one: string | Protocol): Protocol => (typeof one === 'string' ? makeNamed(one, optionsFor(one)) : one)
  return typeof protocol === 'string' || 'serve' in protocol ? make(protocol) : protocol.map(make)
}

function makeNamed(name: string, options: ProtocolOptions): Protocol {
  const named = namedProtocol(name)
  if ('message' in named) throw new Error(named.message)
  return named.make(options)
}
