import type { V1EndpointSlice, V1Service } from '@kubernetes/client-node'
import type { Api } from './api.ts'
import type { Catalog } from './catalog.ts'
import { Reflector } from './reflector.ts'

interface Reflectors {
  readonly services: Reflector<V1Service>
  readonly slices: Reflector<V1EndpointSlice>
}

/** What keeps a catalog like the cluster's, in one namespace or in all of them. */
export function reflectors(api: Api, catalog: Catalog, labelSelector: string | undefined): Reflectors {
  const { namespace, core, discovery, watch } = api
  const everywhere = namespace === '*'
  const where = everywhere ? 'all namespaces' : namespace
  const below = everywhere ? '' : `/namespaces/${encodeURIComponent(namespace)}`
  const selected = labelSelector === undefined ? {} : { labelSelector }
  const services = new Reflector<V1Service>(watch, {
    what: `list and watch services in ${where}`,
    path: `/api/v1${below}/services`,
    labelSelector,
    list: () =>
      everywhere ? core.listServiceForAllNamespaces(selected) : core.listNamespacedService({ namespace, ...selected }),
    replace: (objects) => catalog.replaceServices(objects),
    apply: (service, deleted) => catalog.applyService(service, deleted),
  })
  const slices = new Reflector<V1EndpointSlice>(watch, {
    what: `list and watch endpointslices.discovery.k8s.io in ${where}`,
    path: `/apis/discovery.k8s.io/v1${below}/endpointslices`,
    labelSelector,
    list: () =>
      everywhere
        ? discovery.listEndpointSliceForAllNamespaces(selected)
        : discovery.listNamespacedEndpointSlice({ namespace, ...selected }),
    replace: (objects) => catalog.replaceSlices(objects),
    apply: (slice, deleted) => catalog.applySlice(slice, deleted),
  })
  return { services, slices }
}
