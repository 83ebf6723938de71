import type { Disposer, GatewayStats, Layer, RequestTracer } from '@proxy/kernel'
import { type AccessLog, accessLog, type CollectedStats, gatewayLog, telemetry, type Telemetry } from '@proxy/telemetry'
import { resolve } from 'node:path'
import { defaultMaxTenants } from '../config/defaults.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { AccessLogConfig, GatewayConfig, TelemetryConfig } from '../config/types.ts'
import type { Logger } from './logger.ts'

export interface ObserversContext {
  readonly logger: Logger
  /** Number of this process. */
  readonly worker: number
  /** undefined: the gateway is not there yet. */
  stats(): GatewayStats | undefined
}

/** Who watches one worker process: counters, export and logs. They outlive reloads. */
export class Observers {
  readonly #logger: Logger
  readonly #telemetry: Telemetry
  readonly #access: AccessLog | undefined

  /** Throws the system's error when the access log cannot be opened. */
  constructor({ config, directory }: LoadedConfig, { logger, worker, stats }: ObserversContext) {
    this.#logger = logger
    this.#telemetry = telemetry({ ...telemetryOptions(config, worker), maxTenants: maxTenantsOf(config), stats })
    this.#access = this.#accessLog(config.log?.access, directory, worker)
  }

  /** Anew for every configuration: the level of the log may be another. */
  layers(): Layer[] {
    const layers = [this.#telemetry, gatewayLog(this.#logger)]
    return this.#access === undefined ? layers : [...layers, this.#access]
  }

  get tracer(): RequestTracer | undefined {
    return this.#telemetry.tracer
  }

  snapshot(): CollectedStats {
    return this.#telemetry.snapshot()
  }

  /** The files of logs may have been renamed. */
  reopen(): void {
    try {
      this.#access?.reopen()
    } catch (error) {
      this.#logger.error({ err: error }, 'the access log cannot be opened anew; it goes on in the old file')
    }
  }

  /** Sends and writes what waits. Never rejects. */
  async close(): Promise<void> {
    await Promise.all([this.#telemetry.close(), this.#access?.close()])
  }

  #accessLog(config: AccessLogConfig | boolean | undefined, directory: string, worker: number): AccessLog | undefined {
    if (config === undefined || config === false) return undefined
    const { file, requests } = config === true ? {} : config
    const path = file === undefined ? undefined : resolve(directory, file)
    const onDropped: Disposer = () => this.#telemetry.dropped('logs', 'queue_full')
    return accessLog({ file: path, requests, base: { worker }, onDropped })
  }
}

function telemetryOptions({ telemetry: config = {} }: GatewayConfig, worker: number): TelemetryConfigured {
  if (config === false) return { traces: false, metrics: false }
  const { otlp, traces, metrics, resource } = config
  return {
    otlp,
    traces: traces === true ? {} : traces,
    metrics: metrics === true ? {} : metrics,
    resource: { 'proxy.worker': worker, ...resource },
  }
}

type TelemetryConfigured = Pick<NonNullable<Parameters<typeof telemetry>[0]>, keyof TelemetryConfig>

const maxTenantsOf = ({ admin }: GatewayConfig): number =>
  typeof admin === 'object' ? (admin.maxTenants ?? defaultMaxTenants) : defaultMaxTenants
