import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { GatewayError } from '@proxy/kernel'
import { grpcStatusOf, type Refusal } from './refusals.ts'

/** Answers a stream with a refusal. */
export function refuseStream(stream: ServerHttp2Stream, refusal: Refusal, isHead: boolean): void {
  const { status, contentType, body, retryAfter } = refusal
  const headers: OutgoingHttpHeaders = {
    ':status': status,
    'content-type': contentType,
    'cache-control': 'no-store',
    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
  }
  stream.respond(headers, { endStream: isHead })
  if (!isHead) stream.end(body)
}

/** The same for gRPC, whose clients look for the status in what they take for trailers. */
export function refuseCall(stream: ServerHttp2Stream, error: GatewayError, status: number): void {
  const headers: OutgoingHttpHeaders = {
    ':status': 200,
    'content-type': 'application/grpc',
    'grpc-status': String(grpcStatusOf(status)),
    'grpc-message': encodeURIComponent(error.message).replaceAll('%20', ' '),
  }
  stream.respond(headers, { endStream: true })
}
