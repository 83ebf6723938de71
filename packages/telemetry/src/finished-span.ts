import {
  type Attributes,
  type HrTime,
  type Link,
  type SpanContext,
  type SpanKind,
  type SpanStatus,
} from '@opentelemetry/api'
import { SpanStatusCode, TraceFlags } from '@opentelemetry/api'
import type { Resource } from '@opentelemetry/resources'
import type { ReadableSpan, TimedEvent } from '@opentelemetry/sdk-trace'
import { hrTime } from './epoch.ts'

/** What is to be said of a span when it is over. */
export interface SpanFacts {
  readonly name: string
  readonly kind: SpanKind
  readonly traceId: string
  readonly spanId: string
  /** undefined: it is the root. */
  readonly parentId: string | undefined
  /** The parent is the client's. */
  readonly remote?: boolean | undefined
  /** Milliseconds since 1970. */
  readonly startMs: number
  readonly endMs: number
  readonly attributes: Attributes
  /** The code of the error, or whatever else says why; undefined: there was none. */
  readonly error: string | undefined
}

/** One of this package. */
export const scope: { readonly name: string } = { name: '@proxy/telemetry' }

const none: never[] = []

/** A span as the SDK's exporters take it, made when it is over: nothing is kept of those that are not sampled. */
export class FinishedSpan implements ReadableSpan {
  readonly name: string
  readonly kind: SpanKind
  readonly parentSpanContext?: SpanContext
  readonly startTime: HrTime
  readonly endTime: HrTime
  readonly duration: HrTime
  readonly status: SpanStatus
  readonly attributes: Attributes
  readonly links: Link[] = none
  readonly events: TimedEvent[] = none
  readonly ended = true
  readonly resource: Resource
  readonly instrumentationScope: typeof scope = scope
  readonly droppedAttributesCount = 0
  readonly droppedEventsCount = 0
  readonly droppedLinksCount = 0
  readonly #context: SpanContext

  constructor(facts: SpanFacts, resource: Resource) {
    const { traceId, spanId, parentId, startMs, endMs, error } = facts
    this.name = facts.name
    this.kind = facts.kind
    this.resource = resource
    this.startTime = hrTime(startMs)
    this.endTime = hrTime(Math.max(startMs, endMs))
    this.duration = hrTime(Math.max(0, endMs - startMs))
    this.status = { code: error === undefined ? SpanStatusCode.UNSET : SpanStatusCode.ERROR }
    this.attributes = error === undefined ? facts.attributes : { ...facts.attributes, 'error.type': error }
    this.#context = { traceId, spanId, traceFlags: TraceFlags.SAMPLED }
    if (parentId !== undefined) {
      const isRemote = facts.remote ?? false
      this.parentSpanContext = { traceId, spanId: parentId, traceFlags: TraceFlags.SAMPLED, isRemote }
    }
  }

  spanContext(): SpanContext {
    return this.#context
  }
}
