import { randomUUID } from 'node:crypto'
import {
  defaultResource,
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from '@opentelemetry/resources'
import { ATTR_SERVICE_INSTANCE_ID, ATTR_SERVICE_NAME } from '@opentelemetry/semantic-conventions'

/** Who sends: `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` over the defaults, what was configured over both. */
export function resourceOf(configured: Readonly<Record<string, string | number>> | undefined): Resource {
  const defaults = { [ATTR_SERVICE_NAME]: 'proxy-gateway', [ATTR_SERVICE_INSTANCE_ID]: randomUUID() }
  return defaultResource()
    .merge(resourceFromAttributes(defaults))
    .merge(detectResources({ detectors: [envDetector] }))
    .merge(resourceFromAttributes(configured ?? {}))
}
