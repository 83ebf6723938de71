import type { V1Endpoint, V1EndpointSlice, V1Service } from '@kubernetes/client-node'
import { type Endpoint, ResolveError } from '@proxy/kernel'
import type { Known } from './catalog.ts'

const PORT = 'proxy/port'

/** Where the pods of a Service are dialled: the ready ones, and those that end but still serve as draining. */
export function endpointsOf({ id, service, slices }: Known): Endpoint[] {
  const port = portOf(id, service)
  const found = new Map<string, Endpoint>()
  for (const slice of slices) {
    const number = portIn(slice, port)
    for (const endpoint of slice.endpoints ?? []) add(found, endpoint, number)
  }
  return [...found.values()]
}

/** Has a pod that takes new connections, and goes on to do so. */
export const isServed = (endpoints: readonly Endpoint[]): boolean => endpoints.some(({ draining }) => draining !== true)

/** A Service without pods is dialled by its name, should anybody do so. */
export function placeholder({ id, service }: Known): Endpoint {
  const [namespace, name] = id.split('/')
  return { host: `${name}.${namespace}.svc`, port: portOf(id, service)?.number }
}

function add(found: Map<string, Endpoint>, { addresses, conditions }: V1Endpoint, port: number | undefined): void {
  const [host] = addresses
  if (host === undefined) return
  // Unset means ready; serving is as ready, but for pods that end.
  const ready = conditions?.ready ?? true
  const draining = conditions?.terminating === true && (conditions.serving ?? ready)
  if (!ready && !draining) return
  const known = found.get(`${host} ${port}`)
  // A pod may be in two slices for a while.
  if (known === undefined || known.draining === true)
    found.set(`${host} ${port}`, draining ? { host, port, draining } : { host, port })
}

interface ServicePort {
  readonly name: string
  readonly number: number
}

/** The annotation's, by name or number, else the only one; undefined for a Service without ports. */
function portOf(id: string, { metadata, spec }: V1Service): ServicePort | undefined {
  const ports = (spec?.ports ?? []).filter(({ protocol }) => protocol === undefined || protocol === 'TCP')
  const wanted = metadata?.annotations?.[PORT]
  const candidates =
    wanted === undefined ? ports : ports.filter(({ name, port }) => name === wanted || String(port) === wanted)
  const [first] = candidates
  if (wanted !== undefined && first === undefined) throw misconfigured(`${id} has no port ${wanted}, as ${PORT} says`)
  if (candidates.length > 1) throw misconfigured(`${id} has ${candidates.length} ports; annotate one as ${PORT}`)
  return first === undefined ? undefined : { name: first.name ?? '', number: first.port }
}

/** Slices carry the target's number under the Service's name for the port. */
function portIn({ ports }: V1EndpointSlice, wanted: ServicePort | undefined): number | undefined {
  if (wanted === undefined) return undefined
  return ports?.find(({ name }) => (name ?? '') === wanted.name)?.port
}

function misconfigured(what: string): ResolveError {
  return new ResolveError('INTERNAL', { cause: new Error(what) })
}
