import { setTimeout as delay } from 'node:timers/promises'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import type { PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import type { Disposer, Hooks, LayerContext, RequestTracer } from '@proxy/kernel'
import { type CollectedStats, Collector } from './collector.ts'
import { type Environment, exportsByEnvironment, numberOf, refusedByEnvironment, samplingOf } from './environment.ts'
import { gatewaySamples } from './gateway-samples.ts'
import { metricReader } from './metric-exporter.ts'
import { OtelMetrics } from './otel-metrics.ts'
import { endpointOf } from './otlp-endpoint.ts'
import { prometheusText } from './prometheus.ts'
import { resourceOf } from './resource.ts'
import { traceSampler } from './sampler.ts'
import { SharedSetup } from './shared-setup.ts'
import { SpanQueue } from './span-queue.ts'
import type { Telemetry, TelemetryOptions } from './telemetry.ts'
import { Tracing } from './tracing.ts'

/** What `telemetry()` makes. */
export class Observation implements Telemetry {
  readonly name = 'telemetry'
  readonly #options: TelemetryOptions
  readonly #collector: Collector
  readonly #queue: SpanQueue | undefined
  readonly #tracing: Tracing | undefined
  readonly #reader: PeriodicExportingMetricReader | undefined
  readonly #failing = new Set<string>()
  #hooks: Hooks | undefined = undefined
  readonly #shared = new SharedSetup()

  constructor(options: TelemetryOptions, env: Environment) {
    this.#options = options
    this.#collector = new Collector(options.maxTenants ?? 200)
    const resource = resourceOf(options.resource)
    if (wanted(options, 'traces', env)) {
      const { ratio } = options.traces || {}
      this.#queue = this.#spanQueue(env)
      this.#tracing = new Tracing(traceSampler(samplingOf(env, ratio)), this.#queue, resource)
    }
    if (wanted(options, 'metrics', env)) {
      const source = {
        samples: () => gatewaySamples(this.snapshot(), this.#options.stats?.()),
        requests: () => this.#collector.requests(),
      }
      this.#reader = this.#metricReader(new OtelMetrics(source, resource), env)
    }
  }

  get tracer(): RequestTracer | undefined {
    return this.#tracing
  }

  setup(context: Pick<LayerContext, 'hooks'>): Disposer {
    this.#hooks = context.hooks
    return this.#shared.use(
      () => [this.#collector.setup(context), ...(this.#tracing?.observe(context.hooks) ?? [])],
      () => void this.flush(),
    )
  }

  snapshot(): CollectedStats {
    return this.#collector.snapshot()
  }

  prometheus(): string {
    return prometheusText(gatewaySamples(this.snapshot(), this.#options.stats?.()))
  }

  dropped(signal: string, reason: string): void {
    this.#collector.add('telemetryDropped', [signal, reason])
  }

  async flush(): Promise<void> {
    await inTime(Promise.all([this.#queue?.flush(), this.#reader?.forceFlush().catch(() => undefined)]))
  }

  async close(): Promise<void> {
    await inTime(Promise.all([this.#queue?.close(), this.#reader?.shutdown().catch(() => undefined)]))
  }

  #spanQueue(env: Environment): SpanQueue {
    const options = {
      maxQueueSize: numberOf(env, 'OTEL_BSP_MAX_QUEUE_SIZE', 8_192),
      maxBatchSize: numberOf(env, 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512),
      delayMs: numberOf(env, 'OTEL_BSP_SCHEDULE_DELAY', 5_000),
      timeoutMs: numberOf(env, 'OTEL_BSP_EXPORT_TIMEOUT', 10_000),
    }
    const exporter = new OTLPTraceExporter(endpointOf(this.#options.otlp, 'traces'))
    return new SpanQueue(exporter, options, (reason, count, error) => {
      this.#collector.add('telemetryDropped', ['traces', reason], count)
      if (reason === 'export_failed') this.#sayFailed('traces', error)
    })
  }

  #metricReader(producer: OtelMetrics, env: Environment): PeriodicExportingMetricReader {
    const { otlp, metrics } = this.#options
    const configured = metrics === false ? undefined : metrics?.intervalMs
    const intervalMs = configured ?? numberOf(env, 'OTEL_METRIC_EXPORT_INTERVAL', 60_000)
    const timeoutMs = numberOf(env, 'OTEL_METRIC_EXPORT_TIMEOUT', 10_000)
    return metricReader(producer, { otlp, intervalMs, timeoutMs }, (error) => {
      this.#collector.add('telemetryDropped', ['metrics', 'export_failed'])
      this.#sayFailed('metrics', error)
    })
  }

  /** Once for each signal: how often is counted. */
  #sayFailed(signal: string, error: Error | undefined): void {
    if (this.#failing.has(signal)) return
    this.#failing.add(signal)
    this.#hooks?.emit('gateway:error', {
      source: 'telemetry',
      error: new Error(`${signal} are not taken`, { cause: error }),
    })
  }
}

/** A receiver that is slow or gone holds up the end of a process for so long. */
const flushDeadlineMs = 3_000

async function inTime(work: Promise<unknown>): Promise<void> {
  const late = new AbortController()
  const deadline = delay(flushDeadlineMs, undefined, { signal: late.signal }).catch(() => undefined)
  await Promise.race([work, deadline])
  late.abort()
}

function wanted(options: TelemetryOptions, signal: 'traces' | 'metrics', env: Environment): boolean {
  const name = signal === 'traces' ? 'TRACES' : 'METRICS'
  if (options[signal] === false || refusedByEnvironment(env, name)) return false
  return options.otlp !== undefined || exportsByEnvironment(env, name)
}
