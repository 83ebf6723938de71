import type { GatewayError } from '@proxy/kernel'
import type { Pair } from './http2-head.ts'
import { grpcStatusOf, type Refusal } from './refusals.ts'

/** The fields of a refusal. */
export function refusalFields({ contentType, retryAfter }: Refusal): Pair[] {
  const fields: Pair[] = [
    ['content-type', contentType],
    ['cache-control', 'no-store'],
  ]
  if (retryAfter !== undefined) fields.push(['retry-after', String(retryAfter)])
  return fields
}

/** The same for gRPC, whose clients look for the status in what they take for trailers. */
export function callRefusalFields(error: GatewayError, status: number): Pair[] {
  return [
    ['content-type', 'application/grpc'],
    ['grpc-status', String(grpcStatusOf(status))],
    ['grpc-message', encodeURIComponent(error.message).replaceAll('%20', ' ')],
  ]
}
