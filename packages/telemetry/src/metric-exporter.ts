import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http'
import {
  AggregationTemporality,
  type MetricProducer,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics'
import { endpointOf } from './otlp-endpoint.ts'

export interface MetricExportOptions {
  /** Base URL; undefined: as the environment says. */
  readonly otlp: string | undefined
  readonly intervalMs: number
  readonly timeoutMs: number
}

/** Sends what the producer gives, every so often. `onFailed` is told of every batch that was not taken. */
export function metricReader(
  producer: MetricProducer,
  options: MetricExportOptions,
  onFailed: (error: Error | undefined) => void,
): PeriodicExportingMetricReader {
  const reader = new PeriodicExportingMetricReader({
    exporter: counted(new OTLPMetricExporter(endpointOf(options.otlp, 'metrics')), onFailed),
    exportIntervalMillis: options.intervalMs,
    exportTimeoutMillis: Math.min(options.timeoutMs, options.intervalMs),
  })
  reader.setMetricProducer(producer)
  return reader
}

function counted(exporter: OTLPMetricExporter, onFailed: (error: Error | undefined) => void): PushMetricExporter {
  return {
    export: (metrics, done) =>
      exporter.export(metrics, (result: ExportResult) => {
        if (result.code !== ExportResultCode.SUCCESS) onFailed(result.error)
        done(result)
      }),
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
    // Counters are kept since the start of the process.
    selectAggregationTemporality: () => AggregationTemporality.CUMULATIVE,
  }
}
