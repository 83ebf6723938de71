import { type Attributes, type HrTime, ValueType } from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import {
  AggregationTemporality,
  type CollectionResult,
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
  type MetricDescriptor,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics'
import {
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_NETWORK_PROTOCOL_VERSION,
  METRIC_HTTP_SERVER_REQUEST_DURATION,
} from '@opentelemetry/semantic-conventions'
import { epochMs, hrTime } from './epoch.ts'
import { scope } from './finished-span.ts'
import { durationBuckets, type MetricFacts, type MetricKey, metrics } from './metrics.ts'
import { type RequestSample, sumOf } from './request-series.ts'
import { newCounts, type Sample, type Samples } from './samples.ts'

/** Read when metrics are due. */
export interface MetricSource {
  samples(): Samples
  requests(): readonly RequestSample[]
}

/** Shown under the standard's own name, with its attributes. */
const standard: ReadonlySet<string> = new Set<MetricKey>(['requests', 'requestSeconds'])

/** The metrics of this process for the SDK's reader: what is counted already is only put into another form. */
export class OtelMetrics implements MetricProducer {
  readonly #source: MetricSource
  readonly #resource: Resource
  readonly #startTime: HrTime = hrTime(epochMs())

  constructor(source: MetricSource, resource: Resource) {
    this.#source = source
    this.#resource = resource
  }

  collect(): Promise<CollectionResult> {
    const resourceMetrics = { resource: this.#resource, scopeMetrics: [{ scope, metrics: this.#metrics() }] }
    return Promise.resolve({ resourceMetrics, errors: [] })
  }

  #metrics(): MetricData[] {
    const endTime = hrTime(epochMs())
    const all = Object.entries(this.#source.samples())
      .filter(([key, samples]) => !standard.has(key) && samples.length > 0)
      .map(([key, samples]) => this.#metric(metrics[key as MetricKey], samples, endTime))
    const requests = this.#source.requests()
    return requests.length === 0 ? all : [...all, this.#requestDuration(requests, endTime)]
  }

  #metric(facts: MetricFacts, samples: readonly Sample[], endTime: HrTime): MetricData {
    const descriptor = descriptorOf(facts)
    const aggregationTemporality = AggregationTemporality.CUMULATIVE
    if (facts.type === 'histogram') {
      const dataPoints = samples.map((sample) => this.#point(facts, sample, histogramOf(sample), endTime))
      return { descriptor, aggregationTemporality, dataPointType: DataPointType.HISTOGRAM, dataPoints }
    }
    const dataPoints = samples.map((sample) => this.#point(facts, sample, sample.value, endTime))
    if (facts.type === 'gauge') {
      return { descriptor, aggregationTemporality, dataPointType: DataPointType.GAUGE, dataPoints }
    }
    return { descriptor, aggregationTemporality, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }
  }

  #point<T>(facts: MetricFacts, { labels }: Sample, value: T, endTime: HrTime): DataPoint<T> {
    const attributes = Object.fromEntries(facts.labels.map((label, index) => [`proxy.${label}`, labels[index] ?? '']))
    return { startTime: this.#startTime, endTime, attributes, value }
  }

  #requestDuration(requests: readonly RequestSample[], endTime: HrTime): MetricData {
    return {
      descriptor: {
        name: METRIC_HTTP_SERVER_REQUEST_DURATION,
        description: 'Duration of HTTP server requests.',
        unit: 's',
        valueType: ValueType.DOUBLE,
      },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
      dataPointType: DataPointType.HISTOGRAM,
      dataPoints: requests.map((sample) => ({
        startTime: this.#startTime,
        endTime,
        attributes: attributesOf(sample),
        value: histogramOf({ labels: [], value: sample.seconds, counts: sample.counts }),
      })),
    }
  }
}

function histogramOf({ value: sum, counts = newCounts() }: Sample): Histogram {
  return { buckets: { boundaries: [...durationBuckets], counts: [...counts] }, sum, count: sumOf(counts) }
}

function attributesOf({ listener, method, status, version }: RequestSample): Attributes {
  return {
    [ATTR_HTTP_REQUEST_METHOD]: method,
    [ATTR_NETWORK_PROTOCOL_VERSION]: version,
    'proxy.listener': listener,
    ...(status === 0 ? {} : { [ATTR_HTTP_RESPONSE_STATUS_CODE]: status }),
  }
}

function descriptorOf({ name, help, type }: MetricFacts): MetricDescriptor {
  const bare = name.replace(/_total$/, '')
  const unit = bare.endsWith('_seconds') ? 's' : bare.endsWith('_bytes') ? 'By' : '1'
  const isWhole = type !== 'histogram' && unit !== 's'
  return { name: otelName(name), description: help, unit, valueType: isWhole ? ValueType.INT : ValueType.DOUBLE }
}

/** `proxy_session_duration_seconds` is `proxy.session_duration` in `s`: OpenTelemetry keeps units and types out of names. */
export function otelName(name: string): string {
  return name
    .replace(/^proxy_/, 'proxy.')
    .replace(/_total$/, '')
    .replace(/_(seconds|bytes)$/, '')
}
