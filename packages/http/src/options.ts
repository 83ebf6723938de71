import {
  type Address,
  cidrMatcher,
  GatewayError,
  type RequestTracer,
  type Resolution,
  type TlsInfo,
} from '@proxy/kernel'

/** A request as the `onRequest` hook sees it. */
export interface HttpRequest {
  readonly method: string
  /** As the client sent it: a path with its query, or `*`. */
  readonly target: string
  /** Names in lower case, in the order of arrival. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Lower-cased host without port; '' when the client named none. */
  readonly host: string
  readonly client: Address
  readonly tls: TlsInfo | undefined
  readonly session: string
}

/** An answer of our own, in place of a backend's. */
export interface HttpAnswer {
  /** Default 200. */
  readonly status?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: string | Uint8Array | undefined
}

/** Takes a request over by answering it; undefined lets it go to its backend. */
export type RequestHook = (request: HttpRequest) => HttpAnswer | undefined | Promise<HttpAnswer | undefined>

export interface HttpOptions {
  /** Every request goes to this backend and the resolver is not asked. */
  readonly backend?: Resolution | undefined
  /** Every request gets this answer; no backend is dialled. */
  readonly directResponse?: { readonly body: string; readonly status?: number | undefined } | undefined
  /** Takes requests over before they are routed. */
  readonly onRequest?: RequestHook | undefined
  /** Connections to one backend. Default 1,024. A request that finds all of them busy waits. */
  readonly poolSize?: number | undefined
  /** How long such a request waits, in milliseconds. Default 5,000. Then 503. */
  readonly poolTimeoutMs?: number | undefined
  /**
   * Idle backend connections are closed after this. Default 4,000 ms: below the 5 s after which common servers close
   * theirs. A shorter `Keep-Alive: timeout` of the backend wins.
   */
  readonly poolIdleTimeoutMs?: number | undefined
  /** Idle client connections are closed after this. Default 60,000 ms. */
  readonly keepAliveTimeoutMs?: number | undefined
  /** From the end of the request to the head of its response. Default 30,000 ms; 0 = no limit. Then 504. */
  readonly requestTimeoutMs?: number | undefined
  /** From the first byte of a request to the end of its head. Default 10,000 ms. Then 408. */
  readonly headTimeoutMs?: number | undefined
  /** Longest time without a byte of a request body, or without the client taking one. Default 30,000 ms. Then 408. */
  readonly bodyTimeoutMs?: number | undefined
  /** Bytes of a head, of requests (431) and responses (502) alike. Default 16,384. */
  readonly maxHeadBytes?: number | undefined
  /** Adds `X-Proxy-*` response headers: session, key, milliseconds to the response head. Default false. */
  readonly telemetryHeaders?: boolean | undefined
  /** Offers HTTP/2 to TLS clients by ALPN. Default false. */
  readonly http2?: boolean | undefined
  /** Accepts HTTP/2 without TLS from clients that begin with its preface. Default false. */
  readonly h2c?: boolean | undefined
  /** HTTP/2 streams of one connection. Default 100. */
  readonly maxConcurrentStreams?: number | undefined
  /**
   * Which requests reach their backend over HTTP/2, without TLS by prior knowledge: those of gRPC, which knows nothing
   * else, or every one that came over HTTP/2. Default `grpc`.
   */
  readonly backendHttp2?: 'grpc' | 'always' | 'never' | undefined
  /** CIDRs of balancers in front of the gateway, whose `Forwarded` and `X-Forwarded-*` fields are believed. */
  readonly trustedProxies?: readonly string[] | undefined
  /**
   * Path that tells whether a backend serves, for probes: 2xx and 3xx are yes. It is asked for by GET over HTTP/1.1, with the key as
   * Host. Default: a backend that takes connections serves.
   */
  readonly readyPath?: string | undefined
  /** Follows requests: the backend is sent the `traceparent` and `tracestate` that it gives. `tracer` of `telemetry()` is one. */
  readonly tracer?: RequestTracer | undefined
}

/** Options with their defaults. */
export interface Settings {
  readonly directResponse: HttpOptions['directResponse']
  readonly onRequest: RequestHook | undefined
  readonly poolSize: number
  readonly poolTimeoutMs: number
  readonly poolIdleTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly headTimeoutMs: number
  readonly bodyTimeoutMs: number
  readonly maxHeadBytes: number
  readonly telemetryHeaders: boolean
  readonly http2: boolean
  readonly h2c: boolean
  readonly maxConcurrentStreams: number
  readonly backendHttp2: 'grpc' | 'always' | 'never'
  readonly trusts: (host: string) => boolean
  readonly tracer: RequestTracer | undefined
}

/** Throws `PROXY_CONFIG_INVALID`. */
export function toSettings(options: HttpOptions): Settings {
  const { readyPath } = options
  if (readyPath !== undefined && !/^\/[!-~]*$/.test(readyPath)) {
    throw new GatewayError('PROXY_CONFIG_INVALID', { message: `readyPath: ${readyPath} is no path` })
  }
  return {
    directResponse: options.directResponse,
    onRequest: options.onRequest,
    poolSize: options.poolSize ?? 1024,
    poolTimeoutMs: options.poolTimeoutMs ?? 5_000,
    poolIdleTimeoutMs: options.poolIdleTimeoutMs ?? 4_000,
    keepAliveTimeoutMs: options.keepAliveTimeoutMs ?? 60_000,
    requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
    headTimeoutMs: options.headTimeoutMs ?? 10_000,
    bodyTimeoutMs: options.bodyTimeoutMs ?? 30_000,
    maxHeadBytes: options.maxHeadBytes ?? 16_384,
    telemetryHeaders: options.telemetryHeaders ?? false,
    http2: options.http2 ?? false,
    h2c: options.h2c ?? false,
    maxConcurrentStreams: options.maxConcurrentStreams ?? 100,
    backendHttp2: options.backendHttp2 ?? 'grpc',
    trusts: options.trustedProxies === undefined ? nobody : cidrMatcher(options.trustedProxies),
    tracer: options.tracer,
  }
}

function nobody(): boolean {
  return false
}
