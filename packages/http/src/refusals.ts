import { type ErrorCode, GatewayError } from '@proxy/kernel'

/** Status codes of the errors that a client may get to see; everything else is 500. */
const statuses: Partial<Record<ErrorCode, number>> = {
  PROXY_RESOLVE_NOT_FOUND: 404,
  PROXY_RESOLVE_UNAVAILABLE: 503,
  PROXY_RESOLVE_TIMEOUT: 504,
  PROXY_RESOLVE_FORBIDDEN: 403,
  PROXY_RESOLVE_INTERNAL: 500,
  PROXY_WAKE_FAILED: 503,
  PROXY_WAKE_TIMEOUT: 503,
  PROXY_WAKE_QUEUE_FULL: 503,
  PROXY_CIRCUIT_OPEN: 503,
  PROXY_BACKEND_UNHEALTHY: 503,
  PROXY_BACKEND_NOT_READY: 503,
  PROXY_DIAL_REFUSED: 502,
  PROXY_DIAL_TIMEOUT: 504,
  PROXY_DIAL_UNREACHABLE: 502,
  PROXY_DIAL_DNS: 502,
  PROXY_DIAL_FORBIDDEN: 403,
  PROXY_DIAL_LOOP: 502,
  PROXY_BACKEND_CLOSED: 502,
  PROXY_BACKEND_PROTOCOL: 502,
  PROXY_BACKEND_TIMEOUT: 504,
  PROXY_BACKEND_TLS: 502,
  PROXY_PEEK_TIMEOUT: 408,
  PROXY_PEEK_OVERFLOW: 431,
  PROXY_MALFORMED: 400,
  PROXY_UNSUPPORTED: 501,
  PROXY_NO_KEY: 400,
  PROXY_KEY_CONFLICT: 400,
  PROXY_TLS_HANDSHAKE: 400,
  PROXY_TLS_REQUIRED: 403,
  PROXY_TLS_CERTIFICATE: 403,
  PROXY_PROXY_HEADER: 400,
  PROXY_LIMIT_CONNECTIONS: 503,
  PROXY_LIMIT_RATE: 503,
  PROXY_DRAINING: 503,
  PROXY_KILLED: 503,
}

export const reasons: Readonly<Record<number, string>> = {
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  204: 'No Content',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  410: 'Gone',
  413: 'Content Too Large',
  421: 'Misdirected Request',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
}

/** What a client is told in place of a backend's answer. */
export interface Refusal {
  readonly status: number
  readonly contentType: string
  readonly body: string
  readonly retryAfter: number | undefined
}

export function statusOf(error: GatewayError): number {
  return statuses[error.code] ?? 500
}

/** The refusal for an error. `accept` is the request's Accept field; '' when it had none. */
export function refusalOf(error: GatewayError, accept: string, status: number = statusOf(error)): Refusal {
  const retryAfter = status === 503 ? retryAfterOf(error) : undefined
  if (wantsText(accept)) {
    const hint = error.hint === undefined ? '' : `${error.hint}\n`
    const body = `${status} ${reasons[status] ?? 'Error'}: ${error.message}\n${hint}`
    return { status, contentType: 'text/plain; charset=utf-8', body, retryAfter }
  }
  const title = reasons[status] ?? 'Error'
  const problem = { type: 'about:blank', title, status, detail: error.message, code: error.code, hint: error.hint }
  return { status, contentType: 'application/problem+json', body: `${JSON.stringify(problem)}\n`, retryAfter }
}

/** Seconds, at least one. */
function retryAfterOf(error: GatewayError): number {
  return Math.max(1, Math.ceil((error.retryAfterMs ?? 1_000) / 1_000))
}

/** Problem details (RFC 9457) unless the client asks for text and not for JSON. */
function wantsText(accept: string): boolean {
  return /text\//i.test(accept) && !/json/i.test(accept)
}

/** An HTTP/1.1 message with that refusal. `connection` is the line of that name with its end, or ''. */
export function refusalMessage(refusal: Refusal, connection: string, isHead: boolean): string {
  const retry = refusal.retryAfter === undefined ? '' : `Retry-After: ${refusal.retryAfter}\r\n`
  const allow = refusal.status === 405 ? 'Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE\r\n' : ''
  const body = Buffer.from(refusal.body, 'utf8')
  return (
    `HTTP/1.1 ${refusal.status} ${reasons[refusal.status] ?? 'Error'}\r\n` +
    `Content-Type: ${refusal.contentType}\r\nContent-Length: ${body.length}\r\nCache-Control: no-store\r\n` +
    `${retry}${allow}${connection}\r\n${isHead ? '' : body.toString('latin1')}`
  )
}

/** The gRPC status for an HTTP status (the mapping of the gRPC specification). */
export function grpcStatusOf(status: number): number {
  switch (status) {
    case 400:
      return 13
    case 401:
      return 16
    case 403:
      return 7
    case 404:
      return 12
    case 429:
    case 502:
    case 503:
    case 504:
      return 14
    default:
      return 2
  }
}

export function malformed(problem: string): GatewayError {
  return new GatewayError('PROXY_MALFORMED', { message: `malformed request: ${problem}` })
}
