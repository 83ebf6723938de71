import { SpanKind } from '@opentelemetry/api'
import type { RequestEndEvent, RequestTrace, RouteEndEvent, Session } from '@proxy/kernel'
import { epochMs } from './epoch.ts'
import type { SpanFacts } from './finished-span.ts'
import { knownMethod, otherMethod } from './request-series.ts'
import { clientAttributes, serverAttributes } from './span-attributes.ts'
import { formatTraceparent, keptTracestate, type TraceParent } from './trace-context.ts'

export interface SpanIds {
  traceId(): string
  spanId(): string
}

/** What takes no longer is not shown. */
const brieflyMs = 0.1

type Part = Pick<SpanFacts, 'name' | 'kind' | 'spanId' | 'parentId' | 'attributes' | 'error'>

/** A request that is recorded: a span for the client's wait, one for the backend's, and what came between. */
export class RequestSpan implements RequestTrace {
  readonly traceparent: string
  readonly tracestate: string | undefined
  readonly session: string
  readonly #startMs: number = epochMs()
  readonly #traceId: string
  readonly #serverId: string
  readonly #clientId: string
  readonly #parent: TraceParent | undefined
  readonly #client: string
  readonly #scheme: string
  #route: RouteEndEvent | undefined = undefined

  constructor(session: Session, parent: TraceParent | undefined, tracestate: string | undefined, ids: SpanIds) {
    this.session = session.id
    this.#traceId = parent?.traceId ?? ids.traceId()
    this.#serverId = ids.spanId()
    this.#clientId = ids.spanId()
    this.#parent = parent
    this.#client = session.client.peer.host
    this.#scheme = session.client.tls === undefined ? 'http' : 'https'
    this.traceparent = formatTraceparent(this.#traceId, this.#clientId)
    this.tracestate = parent === undefined ? undefined : keptTracestate(tracestate)
  }

  /** A route of the session ended: of this request, unless it has one. */
  routed(event: RouteEndEvent): void {
    this.#route ??= event
  }

  /** Its spans, once it has ended. */
  spans(event: RequestEndEvent, ids: SpanIds): SpanFacts[] {
    const spans = [this.#server(event)]
    const { routedMs = event.durationMs, upstreamMs } = event.timing
    // A resolver that knows at once has nothing to show.
    if (routedMs > brieflyMs || event.timing.routedMs === undefined) {
      spans.push(this.#part(resolvePart(event, this.#serverId, ids.spanId()), 0, routedMs))
    }
    const { wakeMs = 0 } = this.#route?.key === event.key ? this.#route : {}
    if (wakeMs > 0) {
      const part = { ...internalPart('wake', spans.at(-1)!.spanId, ids.spanId()), error: undefined }
      spans.push(this.#part(part, Math.max(0, routedMs - wakeMs), routedMs))
    }
    if (event.timing.routedMs === undefined) return spans
    // A pooled connection was there at once; else this is the dial, or the wait for one that became free.
    if (upstreamMs !== routedMs) spans.push(this.#dial(event, routedMs, ids.spanId()))
    if (upstreamMs !== undefined) spans.push(this.#part(this.#clientPart(event), upstreamMs, event.durationMs))
    return spans
  }

  #server(event: RequestEndEvent): SpanFacts {
    const failed = event.status >= 500 ? String(event.status) : undefined
    const facts = this.#part(
      {
        name: nameOf(event),
        kind: SpanKind.SERVER,
        spanId: this.#serverId,
        parentId: this.#parent?.spanId,
        attributes: serverAttributes(event, this.#scheme, this.#client),
        // A client's own mistake is no error of the server (HTTP semantic conventions).
        error: event.status >= 400 && event.status < 500 ? undefined : (event.error?.code ?? failed),
      },
      0,
      event.durationMs,
    )
    return { ...facts, remote: true }
  }

  #clientPart(event: RequestEndEvent): Part {
    return {
      name: nameOf(event),
      kind: SpanKind.CLIENT,
      spanId: this.#clientId,
      parentId: this.#serverId,
      attributes: clientAttributes(event),
      error: event.error?.code ?? (event.status >= 400 ? String(event.status) : undefined),
    }
  }

  #dial(event: RequestEndEvent, routedMs: number, spanId: string): SpanFacts {
    const { upstreamMs } = event.timing
    const error = upstreamMs === undefined ? event.error?.code : undefined
    return this.#part(
      { ...internalPart('dial', this.#serverId, spanId), error },
      routedMs,
      upstreamMs ?? event.durationMs,
    )
  }

  #part(part: Part, fromMs: number, toMs: number): SpanFacts {
    return { ...part, traceId: this.#traceId, startMs: this.#startMs + fromMs, endMs: this.#startMs + toMs }
  }
}

function resolvePart(event: RequestEndEvent, parentId: string, spanId: string): Part {
  const error = event.timing.routedMs === undefined ? event.error?.code : undefined
  return { ...internalPart('resolve', parentId, spanId), error }
}

export function internalPart(name: string, parentId: string, spanId: string): Omit<Part, 'error'> {
  return { name, kind: SpanKind.INTERNAL, parentId, spanId, attributes: {} }
}

/** Paths are without number, and the gateway knows no routes of its own. */
function nameOf({ method }: RequestEndEvent): string {
  return knownMethod(method) === otherMethod ? 'HTTP' : method
}
