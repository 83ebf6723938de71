/** Who a client's span is, out of a `traceparent` field. */
export interface TraceParent {
  readonly traceId: string
  readonly spanId: string
  readonly sampled: boolean
}

// W3C Trace Context section 3.2.2. A later version may say more behind the flags.
const form = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** undefined: it is malformed, and counts as if it were not there. */
export function parseTraceparent(field: string): TraceParent | undefined {
  // Longer ones are of no version that is known, and nobody gets to make us read them.
  if (field.length > 256) return undefined
  const match = form.exec(field.trim())
  if (match === null) return undefined
  const [, version, traceId = '', spanId = '', flags = '', more] = match
  if (version === '00' && more !== undefined) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export const formatTraceparent = (traceId: string, spanId: string): string => `00-${traceId}-${spanId}-01`

/** Vendors may say 512 characters together (section 3.3.1.5); more is not carried on. */
export function keptTracestate(field: string | undefined): string | undefined {
  return field === undefined || field === '' || field.length > 512 ? undefined : field
}
