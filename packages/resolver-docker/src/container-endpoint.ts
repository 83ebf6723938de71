import { type Endpoint, ResolveError } from '@proxy/kernel'
import type { ContainerDetails, PortBinding } from './wire.ts'

/** A container has no address while it does not run, and a resolution needs one; this one never exists (RFC 6761). */
const NOWHERE = 'asleep.invalid'

export interface EndpointRules {
  readonly network: string | undefined
  /** For ports that are published on every address. */
  readonly publishedHost: string
  /** Label that names the port within the container. */
  readonly portLabel: string
}

/** Where a container is dialled; one that does not run, nowhere. Throws `ResolveError` INTERNAL. */
export function endpointOf(container: ContainerDetails, rules: EndpointRules): Endpoint {
  const port = portOf(container, rules.portLabel)
  if (rules.network === undefined) {
    const published = publishedAt(container, port, rules.publishedHost)
    if (published !== undefined) return published
    if (container.HostConfig?.NetworkMode === 'host') return { host: rules.publishedHost, port }
  }
  return { host: addressOf(container, rules.network), port }
}

/** The label's, else the only TCP port that the container exposes, else the protocol's own. */
function portOf({ Config, Name }: ContainerDetails, label: string): number | undefined {
  const labelled = Config.Labels?.[label]
  if (labelled !== undefined) return checked(labelled, Name, label)
  const exposed = Object.keys(Config.ExposedPorts ?? {}).flatMap((name) => /^(\d+)\/tcp$/.exec(name)?.[1] ?? [])
  if (exposed.length > 1) throw misconfigured(`${Name} exposes ${exposed.length} TCP ports; label one as ${label}`)
  return exposed[0] === undefined ? undefined : Number(exposed[0])
}

function checked(text: string, name: string, label: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port >= 1 && port <= 65_535) return port
  throw misconfigured(`the label ${label} of ${name} is no port`)
}

function publishedAt(container: ContainerDetails, port: number | undefined, everywhere: string): Endpoint | undefined {
  if (port === undefined) return undefined
  const bindings = container.NetworkSettings.Ports?.[`${port}/tcp`] ?? []
  const binding = bindings.find(isIpv4) ?? bindings[0]
  if (binding === undefined) return undefined
  const { HostIp, HostPort } = binding
  const host = HostIp === '' || HostIp === '0.0.0.0' || HostIp === '::' ? everywhere : HostIp
  return { host, port: Number(HostPort) }
}

const isIpv4 = ({ HostIp }: PortBinding): boolean => !HostIp.includes(':')

function addressOf({ Name, State, NetworkSettings }: ContainerDetails, network: string | undefined): string {
  const networks = NetworkSettings.Networks ?? {}
  if (network !== undefined && networks[network] === undefined) throw misconfigured(`${Name} is not on ${network}`)
  const candidates = network === undefined ? Object.values(networks) : [networks[network]]
  for (const candidate of candidates) {
    const address = candidate?.IPAddress || candidate?.GlobalIPv6Address
    if (address) return address
  }
  if (State.Status === 'running') throw misconfigured(`${Name} has no address: publish its port, or name a network`)
  return NOWHERE
}

function misconfigured(what: string): ResolveError {
  return new ResolveError('INTERNAL', { cause: new Error(what) })
}
