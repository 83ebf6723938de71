import type { GatewayStats, Layer, RequestTracer } from '@proxy/kernel'
import { Observation } from './observation.ts'
import type { CollectedStats } from './collector.ts'

export interface TelemetryOptions {
  /**
   * Base URL of an OTLP/HTTP receiver, as `http://collector:4318`. Default: what the `OTEL_EXPORTER_OTLP_*` variables say;
   * without them nothing is sent.
   */
  readonly otlp?: string | undefined
  /** Spans of sessions and HTTP requests. Default: sent where `otlp` leads; false: none. */
  readonly traces?: TraceOptions | false | undefined
  /** Metrics over OTLP. Default: sent where `otlp` leads; false: none. Prometheus' text is there in any case. */
  readonly metrics?: MetricOptions | false | undefined
  /** Attributes of whoever sends, over those of `OTEL_RESOURCE_ATTRIBUTES`. `service.name` is `proxy-gateway` by default. */
  readonly resource?: Readonly<Record<string, string | number>> | undefined
  /** Tenants that have series of their own; the others are counted together. Default 200. */
  readonly maxTenants?: number | undefined
  /** `() => gateway.stats()`: for what only the gateway knows, open connections and what the layers say. */
  readonly stats?: (() => GatewayStats | undefined) | undefined
}

export interface TraceOptions {
  /**
   * Share of the traces that begin here, from 0 to 1, and at most 20 a second unless it is 1; a client's own trace is recorded when the
   * client says so. Default 0.01.
   */
  readonly ratio?: number | undefined
}

export interface MetricOptions {
  /** Default 60,000 ms. */
  readonly intervalMs?: number | undefined
}

/** A layer that only observes. */
export interface Telemetry extends Layer {
  /** For `http({ tracer })`: carries the trace context to backends. undefined: there are no traces. */
  readonly tracer: RequestTracer | undefined
  /** What was counted in this process; survives JSON. */
  snapshot(): CollectedStats
  /** The metrics of this process in Prometheus' text format. */
  prometheus(): string
  /** Counts what another observer lost, as `accessLog({ onDropped })` says. */
  dropped(signal: string, reason: string): void
  /** Sends what waits, for at most three seconds. Never rejects: what cannot be sent is counted. */
  flush(): Promise<void>
  /** `flush`, and nothing is sent from then on. The last gateway that closes only flushes. */
  close(): Promise<void>
}

/** Metrics, traces and their export, for `layers: [telemetry()]`. One may observe several gateways and outlives reloads. */
export function telemetry(options: TelemetryOptions = {}): Telemetry {
  return new Observation(options, process.env)
}
