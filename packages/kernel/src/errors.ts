/** Who caused an error. */
export type ErrorOrigin = 'client' | 'backend' | 'resolver' | 'gateway'

interface CodeFacts {
  readonly origin: ErrorOrigin
  /** True when the same request may succeed a moment later. */
  readonly retryable: boolean
  /** Safe to show to any client: never holds an address, a path or a name of the inside. */
  readonly message: string
}

/** Every error code of the kernel and its packages. `docs/reference/errors.md` lists the same, held equal by a test. */
export const errorCodes = {
  PROXY_RESOLVE_NOT_FOUND: { origin: 'resolver', retryable: false, message: 'no such tenant' },
  PROXY_RESOLVE_UNAVAILABLE: { origin: 'resolver', retryable: true, message: 'the tenant is unavailable' },
  PROXY_RESOLVE_TIMEOUT: { origin: 'resolver', retryable: true, message: 'looking up the tenant took too long' },
  PROXY_RESOLVE_FORBIDDEN: { origin: 'resolver', retryable: false, message: 'access to the tenant is denied' },
  PROXY_RESOLVE_INTERNAL: { origin: 'resolver', retryable: false, message: 'looking up the tenant failed' },
  PROXY_WAKE_FAILED: { origin: 'resolver', retryable: true, message: 'the tenant could not be started' },
  PROXY_WAKE_TIMEOUT: { origin: 'resolver', retryable: true, message: 'the tenant is still starting' },
  PROXY_WAKE_QUEUE_FULL: { origin: 'gateway', retryable: true, message: 'too many connections wait for the tenant' },
  PROXY_DIAL_REFUSED: { origin: 'backend', retryable: true, message: 'the backend refused the connection' },
  PROXY_DIAL_TIMEOUT: { origin: 'backend', retryable: true, message: 'the backend did not answer in time' },
  PROXY_DIAL_UNREACHABLE: { origin: 'backend', retryable: true, message: 'the backend cannot be reached' },
  PROXY_DIAL_DNS: { origin: 'backend', retryable: true, message: 'the backend cannot be found' },
  PROXY_DIAL_FORBIDDEN: { origin: 'gateway', retryable: false, message: 'the backend address is not allowed' },
  PROXY_DIAL_LOOP: { origin: 'gateway', retryable: false, message: 'the backend is the gateway itself' },
  PROXY_CIRCUIT_OPEN: {
    origin: 'gateway',
    retryable: true,
    message: 'the backend keeps failing and is left alone for now',
  },
  PROXY_BACKEND_UNHEALTHY: { origin: 'gateway', retryable: true, message: 'the backend is unhealthy' },
  PROXY_BACKEND_NOT_READY: { origin: 'backend', retryable: true, message: 'the backend is not ready yet' },
  PROXY_BACKEND_CLOSED: { origin: 'backend', retryable: true, message: 'the backend closed the connection' },
  PROXY_BACKEND_PROTOCOL: { origin: 'backend', retryable: false, message: 'the backend answered with malformed bytes' },
  PROXY_BACKEND_TIMEOUT: { origin: 'backend', retryable: true, message: 'the backend took too long to answer' },
  PROXY_BACKEND_TLS: { origin: 'backend', retryable: false, message: 'TLS with the backend failed' },
  PROXY_CLIENT_GONE: { origin: 'client', retryable: false, message: 'the client closed the connection' },
  PROXY_PEEK_TIMEOUT: { origin: 'client', retryable: true, message: 'the client took too long to say what it wants' },
  PROXY_PEEK_OVERFLOW: { origin: 'client', retryable: false, message: 'the opening message is too large' },
  PROXY_MALFORMED: { origin: 'client', retryable: false, message: 'malformed message' },
  PROXY_UNSUPPORTED: { origin: 'client', retryable: false, message: 'not supported' },
  PROXY_NO_KEY: { origin: 'client', retryable: false, message: 'the connection does not say which tenant it is for' },
  PROXY_KEY_CONFLICT: { origin: 'client', retryable: false, message: 'the connection names two different tenants' },
  PROXY_TLS_HANDSHAKE: { origin: 'client', retryable: false, message: 'the TLS handshake failed' },
  PROXY_TLS_REQUIRED: { origin: 'client', retryable: false, message: 'TLS is required' },
  PROXY_TLS_CERTIFICATE: { origin: 'client', retryable: false, message: 'a valid client certificate is required' },
  PROXY_TLS_INJECTION: { origin: 'client', retryable: false, message: 'plain bytes before the TLS handshake' },
  PROXY_TLS_UNAVAILABLE: { origin: 'gateway', retryable: false, message: 'TLS is not configured here' },
  PROXY_PROXY_HEADER: { origin: 'client', retryable: false, message: 'PROXY protocol header expected' },
  PROXY_LIMIT_CONNECTIONS: { origin: 'gateway', retryable: true, message: 'too many connections' },
  PROXY_LIMIT_RATE: { origin: 'gateway', retryable: true, message: 'too many new connections' },
  PROXY_DRAINING: { origin: 'gateway', retryable: true, message: 'the gateway is shutting down' },
  PROXY_KILLED: { origin: 'gateway', retryable: true, message: 'the connection was ended by an operator' },
  PROXY_LISTEN_FAILED: { origin: 'gateway', retryable: false, message: 'an address cannot be bound' },
  PROXY_CONFIG_INVALID: { origin: 'gateway', retryable: false, message: 'the configuration is invalid' },
  PROXY_INTERNAL: { origin: 'gateway', retryable: false, message: 'internal error' },
} as const

export type ErrorCode = keyof typeof errorCodes

const brand: unique symbol = Symbol.for('@proxy/kernel.GatewayError')

export interface GatewayErrorOptions {
  /** Replaces the code's own message. Must be safe to show a client. */
  readonly message?: string | undefined
  /** Advice for the client's user; safe to show. */
  readonly hint?: string | undefined
  /** For logs only. */
  readonly cause?: unknown
  /** When a retry may help, in milliseconds from now. */
  readonly retryAfterMs?: number | undefined
}

/**
 * The one error class. `code` says what happened, `origin` who caused it, `retryable` whether a moment later it may
 * work. `message` and `hint` may be shown to clients; what must stay inside is in `cause`.
 */
export class GatewayError extends Error {
  readonly code: ErrorCode
  readonly origin: ErrorOrigin
  readonly retryable: boolean
  readonly hint: string | undefined
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, options: GatewayErrorOptions = {}) {
    const facts: CodeFacts = errorCodes[code]
    super(options.message ?? facts.message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.origin = facts.origin
    this.retryable = facts.retryable
    this.hint = options.hint
    this.retryAfterMs = options.retryAfterMs
    Object.defineProperty(this, brand, { value: true })
  }

  override get name(): string {
    return 'GatewayError'
  }

  /** True for errors of any copy of this package. */
  static is(value: unknown): value is GatewayError {
    return typeof value === 'object' && value !== null && brand in value
  }

  /** The error itself when it is one of ours, else `PROXY_INTERNAL` (or `code`) with it as cause. */
  static from(value: unknown, code: ErrorCode = 'PROXY_INTERNAL'): GatewayError {
    return GatewayError.is(value) ? value : new GatewayError(code, { cause: value })
  }
}

/** The five ways in which a resolver fails, with the status numbers of the original. */
export const resolveErrorKinds = {
  NOT_FOUND: { status: 404, code: 'PROXY_RESOLVE_NOT_FOUND' },
  UNAVAILABLE: { status: 503, code: 'PROXY_RESOLVE_UNAVAILABLE' },
  TIMEOUT: { status: 504, code: 'PROXY_RESOLVE_TIMEOUT' },
  FORBIDDEN: { status: 403, code: 'PROXY_RESOLVE_FORBIDDEN' },
  INTERNAL: { status: 500, code: 'PROXY_RESOLVE_INTERNAL' },
} as const

export type ResolveErrorKind = keyof typeof resolveErrorKinds

/** What a resolver throws: `throw new ResolveError('NOT_FOUND')`. */
export class ResolveError extends GatewayError {
  readonly kind: ResolveErrorKind
  /** 404, 503, 504, 403 or 500. */
  readonly status: number

  constructor(kind: ResolveErrorKind, options?: GatewayErrorOptions) {
    super(resolveErrorKinds[kind].code, options)
    this.kind = kind
    this.status = resolveErrorKinds[kind].status
  }
}
