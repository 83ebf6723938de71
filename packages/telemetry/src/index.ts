export { accessLog, type AccessLog, type AccessLogOptions } from './access-log.ts'
export { type CollectedStats, Collector } from './collector.ts'
export { gatewayLog } from './gateway-log.ts'
export { addLayerCounters, addLayers } from './layer-samples.ts'
export { durationBuckets, type MetricFacts, type MetricKey, metrics } from './metrics.ts'
export { LineBuffer, type LineBufferOptions } from './line-buffer.ts'
export { type LogSink, standardOutput, type Written } from './log-sinks.ts'
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
