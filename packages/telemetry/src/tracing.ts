import type { Resource } from '@opentelemetry/resources'
import { RandomIdGenerator } from '@opentelemetry/sdk-trace'
import type {
  Disposer,
  Hooks,
  RequestEndEvent,
  RequestTrace,
  RequestTracer,
  Session,
  SessionEndEvent,
} from '@proxy/kernel'
import { FinishedSpan, type SpanFacts } from './finished-span.ts'
import { RequestSpan, type SpanIds } from './request-span.ts'
import type { TraceSampler } from './sampler.ts'
import { SessionSpan } from './session-span.ts'
import type { SpanQueue } from './span-queue.ts'
import { parseTraceparent } from './trace-context.ts'

const generator = new RandomIdGenerator()
const ids: SpanIds = { traceId: () => generator.generateTraceId(), spanId: () => generator.generateSpanId() }

/** Recorded at a time; what begins beyond that is not recorded. */
const maxOpen = 10_000

/** Follows the sessions and requests that are sampled. Of the others it keeps nothing. */
export class Tracing implements RequestTracer {
  readonly #sampler: TraceSampler
  readonly #queue: SpanQueue
  readonly #resource: Resource
  readonly #sessions = new Map<string, SessionSpan>()
  /** By session. */
  readonly #requests = new Map<string, RequestSpan[]>()

  constructor(sampler: TraceSampler, queue: SpanQueue, resource: Resource) {
    this.#sampler = sampler
    this.#queue = queue
    this.#resource = resource
  }

  observe(hooks: Hooks): Disposer[] {
    return [
      hooks.on('session:open', ({ session }) => this.#open(session)),
      hooks.on('route:end', (event) => {
        if (this.#sessions.size > 0) this.#sessions.get(event.session)?.routed(event)
        if (this.#requests.size > 0)
          for (const request of this.#requests.get(event.session) ?? []) request.routed(event)
      }),
      hooks.on('dial:end', (event) => {
        if (event.session !== undefined && this.#sessions.size > 0) this.#sessions.get(event.session)?.dialled(event)
      }),
      hooks.on('relay:start', (event) => {
        if (this.#sessions.size > 0) this.#sessions.get(event.session)?.relaying(event)
      }),
      hooks.on('request:end', (event) => {
        if (event.trace instanceof RequestSpan) this.#requestEnd(event.trace, event)
      }),
      hooks.on('session:end', (event) => {
        if (this.#sessions.size > 0) this.#sessionEnd(event)
        if (this.#requests.size > 0) this.#requests.delete(event.session)
      }),
    ]
  }

  start(session: Session, traceparent: string | undefined, tracestate: string | undefined): RequestTrace | undefined {
    // A session whose requests are followed has no span of its own.
    if (this.#sessions.size > 0) this.#sessions.delete(session.id)
    const parent = traceparent === undefined ? undefined : parseTraceparent(traceparent)
    if (!this.#sampler(parent) || this.#requests.size >= maxOpen) return undefined
    const span = new RequestSpan(session, parent, tracestate, ids)
    const known = this.#requests.get(session.id)
    if (known === undefined) this.#requests.set(session.id, [span])
    else known.push(span)
    return span
  }

  #open(session: string): void {
    if (this.#sampler(undefined) && this.#sessions.size < maxOpen) this.#sessions.set(session, new SessionSpan(ids))
  }

  #requestEnd(span: RequestSpan, event: RequestEndEvent): void {
    const left = this.#requests.get(span.session)?.filter((other) => other !== span) ?? []
    if (left.length === 0) this.#requests.delete(span.session)
    else this.#requests.set(span.session, left)
    this.#send(span.spans(event, ids))
  }

  #sessionEnd(event: SessionEndEvent): void {
    const span = this.#sessions.get(event.session)
    if (span === undefined) return
    this.#sessions.delete(event.session)
    this.#send(span.spans(event))
  }

  #send(spans: readonly SpanFacts[]): void {
    for (const facts of spans) this.#queue.add(new FinishedSpan(facts, this.#resource))
  }
}
