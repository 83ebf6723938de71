import { invalid, parseAddress } from './address.ts'
import { cidrMatcher } from './cidr.ts'
import type {
  Address,
  GatewayOptions,
  Layer,
  ListenerLimits,
  ListenerOptions,
  ListenerTls,
  Protocol,
  Relay,
  Resolver,
} from './contracts.ts'
import { GatewayError } from './errors.ts'
import { guard } from './layers/guard.ts'
import { streamRelay } from './relay/stream.ts'
import { toResolver } from './resolvers/function.ts'

export type Limits = { readonly [Name in keyof ListenerLimits]-?: number }

/** A listener's options, checked and complete. */
export interface ListenerSettings {
  readonly name: string
  readonly address: Address
  readonly protocols: readonly Protocol[]
  readonly tls: ListenerTls | undefined
  readonly limits: Limits
  readonly trusted: ((host: string) => boolean) | undefined
  readonly idleTimeoutMs: number
  readonly backlog: number | undefined
  readonly reusePort: boolean | undefined
}

export interface GatewaySettings {
  readonly listeners: readonly ListenerSettings[]
  readonly resolver: Resolver
  readonly layers: readonly Layer[]
  readonly relays: readonly Relay[]
  readonly connectTimeoutMs: number
}

const defaultLimits: Limits = {
  maxConnections: 100_000,
  maxConnectionRate: Number.POSITIVE_INFINITY,
  handshakeTimeoutMs: 10_000,
  maxHandshakeBytes: 65_536,
}

/** Checks everything that can be checked without binding. Throws `PROXY_CONFIG_INVALID`. */
export function gatewaySettings(options: GatewayOptions): GatewaySettings {
  if (options.listeners.length === 0) throw invalid('listeners', 'is empty')
  const names = new Set<string>()
  return {
    listeners: options.listeners.map((listener) => listenerSettings(listener, names)),
    resolver: toResolver(options.resolver),
    layers: [...(options.layers ?? []), ...(options.guard === false ? [] : [guard(options.guard)])],
    relays: [...(options.relays ?? []), streamRelay()],
    connectTimeoutMs: positive('connectTimeoutMs', options.connectTimeoutMs ?? 5_000),
  }
}

function listenerSettings(options: ListenerOptions, names: Set<string>): ListenerSettings {
  const address = parseAddress(options.address)
  const protocols = protocolsOf(options)
  return {
    name: nameOf(options, protocols[0]?.name ?? '', address, names),
    address,
    protocols,
    tls: options.tls,
    limits: limitsOf(options.limits),
    trusted: options.proxyProtocol && cidrMatcher(options.proxyProtocol.trusted),
    idleTimeoutMs: options.idleTimeoutMs ?? 0,
    backlog: options.backlog,
    reusePort: options.reusePort,
  }
}

function protocolsOf(options: ListenerOptions): readonly Protocol[] {
  const protocols = 'serve' in options.protocol ? [options.protocol] : [...options.protocol]
  if (protocols.length === 0) throw invalid('protocol', 'is an empty list')
  for (const protocol of protocols) {
    if (protocol.api !== 1) throw invalid(`protocol ${protocol.name}`, 'was made for another version of the kernel')
    if (protocols.length > 1) requireDetectable(protocol)
  }
  return protocols
}

/** A client that waits to be spoken to sends nothing that a choice could be made by. */
function requireDetectable(protocol: Protocol): void {
  if (protocol.speaksFirst === 'server')
    throw invalid(`protocol ${protocol.name}`, 'speaks first and cannot share a port')
  if (protocol.detect === undefined)
    throw invalid(`protocol ${protocol.name}`, 'has no detect() and cannot share a port')
}

function nameOf(options: ListenerOptions, protocol: string, address: Address, names: Set<string>): string {
  const name = options.name ?? (names.has(protocol) ? `${protocol}-${address.port}` : protocol)
  if (names.has(name)) throw invalid(`listener ${name}`, 'is named twice')
  names.add(name)
  return name
}

function limitsOf(limits: ListenerLimits = {}): Limits {
  const all = { ...defaultLimits }
  for (const name of Object.keys(defaultLimits) as (keyof Limits)[]) {
    const value = limits[name]
    if (value !== undefined) Object.assign(all, { [name]: positive(`limits.${name}`, value) })
  }
  return all
}

function positive(name: string, value: number): number {
  if (value > 0) return value
  throw new GatewayError('PROXY_CONFIG_INVALID', { message: `${name}: ${value} is not a positive number` })
}
