import { ExportResultCode, type ExportResult } from '@opentelemetry/core'
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from '@opentelemetry/sdk-trace'

export interface SpanQueueOptions {
  /** Spans that may wait; more are dropped. */
  readonly maxQueueSize: number
  readonly maxBatchSize: number
  readonly delayMs: number
  readonly timeoutMs: number
}

export type DropReason = 'queue_full' | 'export_failed'

/** Told of what is lost. */
export type OnDropped = (reason: DropReason, count: number, error?: Error) => void

/** The SDK's batches, bounded, with a count of what is lost. */
export class SpanQueue {
  readonly #processor: BatchSpanProcessor
  readonly #maxQueueSize: number
  readonly #onDropped: OnDropped
  #waiting = 0

  constructor(exporter: SpanExporter, options: SpanQueueOptions, onDropped: OnDropped) {
    this.#maxQueueSize = options.maxQueueSize
    this.#onDropped = onDropped
    this.#processor = new BatchSpanProcessor({
      exporter: this.#counted(exporter),
      maxQueueSize: options.maxQueueSize,
      maxExportBatchSize: Math.min(options.maxBatchSize, options.maxQueueSize),
      scheduledDelayMillis: options.delayMs,
      exportTimeoutMillis: options.timeoutMs,
    })
  }

  add(span: ReadableSpan): void {
    if (this.#waiting >= this.#maxQueueSize) return this.#onDropped('queue_full', 1)
    this.#waiting++
    this.#processor.onEnd(span)
  }

  /** Settles when what waits was sent or could not be. */
  async flush(): Promise<void> {
    await this.#processor.forceFlush().catch(() => undefined)
  }

  async close(): Promise<void> {
    await this.#processor.shutdown().catch(() => undefined)
  }

  #counted(exporter: SpanExporter): SpanExporter {
    return {
      export: (spans, done) => {
        this.#waiting -= spans.length
        exporter.export(spans, (result: ExportResult) => {
          if (result.code !== ExportResultCode.SUCCESS) this.#onDropped('export_failed', spans.length, result.error)
          done(result)
        })
      },
      forceFlush: async () => exporter.forceFlush?.(),
      shutdown: () => exporter.shutdown(),
    }
  }
}
