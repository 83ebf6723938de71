/** The address for one signal at an OTLP/HTTP receiver; without a base, the exporter asks the environment. */
export function endpointOf(base: string | undefined, signal: 'traces' | 'metrics'): { url?: string } {
  return base === undefined ? {} : { url: `${base.replace(/\/+$/, '')}/v1/${signal}` }
}
