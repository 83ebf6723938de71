import { SpanKind } from '@opentelemetry/api'
import { type ExportResult, ExportResultCode } from '@opentelemetry/core'
import { emptyResource } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { describe, expect, it } from 'vitest'
import { FinishedSpan } from './finished-span.ts'
import { SpanQueue } from './span-queue.ts'

const facts = {
  name: 'x',
  kind: SpanKind.INTERNAL,
  traceId: '1'.repeat(32),
  spanId: '2'.repeat(16),
  parentId: undefined,
  attributes: {},
}
const span = new FinishedSpan({ ...facts, startMs: 1_500.25, endMs: 1_600, error: undefined }, emptyResource())

interface Exporting {
  readonly sent: ReadableSpan[][]
  readonly waiting: ((result: ExportResult) => void)[]
  readonly dropped: [string, number][]
  readonly queue: SpanQueue
}

function exporting(answer?: ExportResult): Exporting {
  const sent: ReadableSpan[][] = []
  const waiting: ((result: ExportResult) => void)[] = []
  const dropped: [string, number][] = []
  const exporter = {
    export: (spans: ReadableSpan[], done: (result: ExportResult) => void) => {
      sent.push(spans)
      if (answer === undefined) waiting.push(done)
      else done(answer)
    },
    shutdown: () => Promise.resolve(),
  }
  const options = { maxQueueSize: 10, maxBatchSize: 4, delayMs: 60_000, timeoutMs: 60_000 }
  return { sent, waiting, dropped, queue: new SpanQueue(exporter, options, (why, n) => dropped.push([why, n])) }
}

describe('SpanQueue', () => {
  it('sends batches, and drops and counts what finds it full', async () => {
    const { sent, waiting, dropped, queue } = exporting()
    for (let i = 0; i < 4; i++) queue.add(span)
    await expect.poll(() => sent.length).toBe(1)
    // The receiver does not answer: ten wait behind it, the others are lost.
    for (let i = 0; i < 13; i++) queue.add(span)
    expect(dropped).toEqual([
      ['queue_full', 1],
      ['queue_full', 1],
      ['queue_full', 1],
    ])
    waiting[0]?.({ code: ExportResultCode.SUCCESS })
    await expect.poll(() => sent.length).toBe(2)
    expect(sent.map((batch) => batch.length)).toEqual([4, 4])
    queue.add(span)
    expect(dropped).toHaveLength(3)
  })

  it('counts what the receiver does not take, and flushing settles all the same', async () => {
    const { dropped, queue } = exporting({ code: ExportResultCode.FAILED, error: new Error('503') })
    for (let i = 0; i < 3; i++) queue.add(span)
    await queue.flush()
    await queue.close()
    expect(dropped).toEqual([['export_failed', 3]])
  })

  it('takes nothing more once it is closed', async () => {
    const { sent, queue } = exporting({ code: ExportResultCode.SUCCESS })
    await queue.close()
    queue.add(span)
    await queue.flush()
    expect(sent).toEqual([])
  })
})

describe('FinishedSpan', () => {
  it('has times in seconds and nanoseconds', () => {
    expect([span.startTime, span.endTime, span.duration]).toEqual([
      [1, 500_250_000],
      [1, 600_000_000],
      [0, 99_750_000],
    ])
  })
})
