import type { RequestTrace, Session } from '@proxy/kernel'
import type { Http2Head } from './http2-head.ts'
import * as http2 from './http2-field.ts'
import type { MessageHead } from './message.ts'
import { TRACEPARENT, TRACESTATE } from './names.ts'
import type { Settings } from './options.ts'

/** Has the tracer, if there is one, follow an HTTP/1.1 request. */
export function followHttp1(
  { tracer }: Settings,
  session: Session,
  head: MessageHead,
  bytes: Buffer,
): RequestTrace | undefined {
  if (tracer === undefined) return undefined
  const parents = head.has(TRACEPARENT) ? head.values(bytes, TRACEPARENT) : undefined
  const states = head.has(TRACESTATE) ? head.values(bytes, TRACESTATE).join(',') : undefined
  // Two of them are none (W3C Trace Context section 3.2).
  return tracer.start(session, parents?.length === 1 ? parents[0] : undefined, states)
}

/** The same for an HTTP/2 request. */
export function followHttp2({ tracer }: Settings, session: Session, head: Http2Head): RequestTrace | undefined {
  if (tracer === undefined) return undefined
  // Two of them are none here as well: none may hold the comma.
  return tracer.start(session, joined(head.values(http2.TRACEPARENT)), joined(head.values(http2.TRACESTATE)))
}

const joined = (values: readonly string[]): string | undefined => (values.length === 0 ? undefined : values.join(','))
