import { SpanKind } from '@opentelemetry/api'
import type { DialEndEvent, RelayStartEvent, RouteEndEvent, SessionEndEvent } from '@proxy/kernel'
import { epochMs } from './epoch.ts'
import type { SpanFacts } from './finished-span.ts'
import { internalPart, type SpanIds } from './request-span.ts'
import { endpointAttributes, sessionAttributes } from './span-attributes.ts'

/** A session may route and dial again and again: of so many parts it keeps spans. */
const maxParts = 64

/** A session that is recorded. */
export class SessionSpan {
  readonly #ids: SpanIds
  readonly #startMs: number = epochMs()
  readonly #traceId: string
  readonly #spanId: string
  readonly #parts: SpanFacts[] = []
  #relayMs: number | undefined = undefined
  #relay: RelayStartEvent | undefined = undefined

  constructor(ids: SpanIds) {
    this.#ids = ids
    this.#traceId = ids.traceId()
    this.#spanId = ids.spanId()
  }

  routed({ durationMs, wakeMs, error }: RouteEndEvent): void {
    const nowMs = epochMs()
    const route = this.#internal('resolve', this.#spanId, nowMs - durationMs, nowMs, error?.code)
    this.#add(route)
    if (wakeMs > 0) this.#add(this.#internal('wake', route.spanId, nowMs - wakeMs, nowMs, error?.code))
  }

  dialled({ durationMs, endpoint, error }: DialEndEvent): void {
    const nowMs = epochMs()
    const part = this.#internal('dial', this.#spanId, nowMs - durationMs, nowMs, error?.code)
    this.#add({ ...part, kind: SpanKind.CLIENT, attributes: endpointAttributes(endpoint) })
  }

  relaying(event: RelayStartEvent): void {
    this.#relayMs = epochMs()
    this.#relay = event
  }

  spans(event: SessionEndEvent): SpanFacts[] {
    const endMs = this.#startMs + event.durationMs
    if (this.#relayMs !== undefined) {
      const part = this.#internal('relay', this.#spanId, this.#relayMs, Math.max(this.#relayMs, endMs), undefined)
      this.#parts.push({ ...part, attributes: endpointAttributes(this.#relay?.endpoint) })
    }
    return [this.#session(event, endMs), ...this.#parts]
  }

  #session(event: SessionEndEvent, endMs: number): SpanFacts {
    return {
      name: `${event.protocol} session`,
      kind: SpanKind.SERVER,
      traceId: this.#traceId,
      spanId: this.#spanId,
      parentId: undefined,
      startMs: this.#startMs,
      endMs,
      attributes: sessionAttributes(event),
      error: event.error?.code,
    }
  }

  #internal(name: string, parentId: string, startMs: number, endMs: number, error: string | undefined): SpanFacts {
    return { ...internalPart(name, parentId, this.#ids.spanId()), traceId: this.#traceId, startMs, endMs, error }
  }

  #add(part: SpanFacts): void {
    if (this.#parts.length < maxParts) this.#parts.push(part)
  }
}
