export { accessLog } from './access-log.ts'
export { type CollectedStats, Collector } from './collector.ts'
export { addLayerCounters, addLayers } from './layer-samples.ts'
export { durationBuckets, type MetricFacts, type MetricKey, metrics } from './metrics.ts'
export { prometheusText, prometheusType } from './prometheus.ts'
export { type Sample, type Samples, SampleStore } from './samples.ts'
export { otherTenants, type TenantStats, TenantTable } from './tenant-table.ts'
export {
  type MetricOptions,
  telemetry,
  type Telemetry,
  type TelemetryOptions,
  type TraceOptions,
} from './telemetry.ts'
