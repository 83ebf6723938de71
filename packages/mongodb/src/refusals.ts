import type { ErrorCode, GatewayError } from '@proxy/kernel'
import { DocumentWriter } from './bson.ts'
import { encodeMsg, encodeReply, opCodes } from './wire.ts'

/** A code of MongoDB with its name, as drivers and mongosh show them. */
type Code = readonly [code: number, name: string]

const hostUnreachable: Code = [6, 'HostUnreachable']
const hostNotFound: Code = [7, 'HostNotFound']
const failedToParse: Code = [9, 'FailedToParse']
const unauthorized: Code = [13, 'Unauthorized']
const authenticationFailed: Code = [18, 'AuthenticationFailed']
const illegalOperation: Code = [20, 'IllegalOperation']
const namespaceNotFound: Code = [26, 'NamespaceNotFound']
const networkTimeout: Code = [89, 'NetworkTimeout']
const shutdownInProgress: Code = [91, 'ShutdownInProgress']
const commandNotSupported: Code = [115, 'CommandNotSupported']
const internalError: Code = [1, 'InternalError']
const incompatible: Code = [188, 'IncompatibleServerVersion']
const apiVersionError: Code = [322, 'APIVersionError']
const unsupportedQuery: Code = [352, 'UnsupportedOpQueryCommand']
const temporarilyUnavailable: Code = [365, 'TemporarilyUnavailable']

/** `undefined`: whoever is there cannot read an answer, or is gone. */
const codes: Readonly<Record<ErrorCode, Code | undefined>> = {
  PROXY_RESOLVE_NOT_FOUND: namespaceNotFound,
  PROXY_RESOLVE_UNAVAILABLE: hostUnreachable,
  PROXY_RESOLVE_TIMEOUT: networkTimeout,
  PROXY_RESOLVE_FORBIDDEN: unauthorized,
  PROXY_RESOLVE_INTERNAL: internalError,
  PROXY_WAKE_FAILED: hostUnreachable,
  PROXY_WAKE_TIMEOUT: networkTimeout,
  PROXY_WAKE_QUEUE_FULL: temporarilyUnavailable,
  PROXY_DIAL_REFUSED: hostUnreachable,
  PROXY_DIAL_TIMEOUT: networkTimeout,
  PROXY_DIAL_UNREACHABLE: hostUnreachable,
  PROXY_DIAL_DNS: hostNotFound,
  PROXY_DIAL_FORBIDDEN: hostUnreachable,
  PROXY_DIAL_LOOP: hostUnreachable,
  PROXY_CIRCUIT_OPEN: hostUnreachable,
  PROXY_BACKEND_UNHEALTHY: hostUnreachable,
  PROXY_BACKEND_NOT_READY: hostUnreachable,
  PROXY_BACKEND_CLOSED: hostUnreachable,
  PROXY_BACKEND_PROTOCOL: incompatible,
  PROXY_BACKEND_TIMEOUT: networkTimeout,
  PROXY_BACKEND_TLS: hostUnreachable,
  PROXY_CLIENT_GONE: undefined,
  PROXY_PEEK_TIMEOUT: networkTimeout,
  PROXY_PEEK_OVERFLOW: failedToParse,
  PROXY_MALFORMED: failedToParse,
  PROXY_UNSUPPORTED: commandNotSupported,
  PROXY_NO_KEY: namespaceNotFound,
  PROXY_KEY_CONFLICT: unauthorized,
  PROXY_TLS_HANDSHAKE: undefined,
  PROXY_TLS_REQUIRED: unauthorized,
  PROXY_TLS_CERTIFICATE: unauthorized,
  PROXY_TLS_INJECTION: unauthorized,
  PROXY_TLS_UNAVAILABLE: internalError,
  PROXY_PROXY_HEADER: undefined,
  PROXY_LIMIT_CONNECTIONS: temporarilyUnavailable,
  PROXY_LIMIT_RATE: temporarilyUnavailable,
  PROXY_DRAINING: shutdownInProgress,
  PROXY_KILLED: shutdownInProgress,
  PROXY_LISTEN_FAILED: internalError,
  PROXY_CONFIG_INVALID: internalError,
  PROXY_INTERNAL: internalError,
}

const bearable: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'PROXY_NO_KEY',
  'PROXY_KEY_CONFLICT',
  'PROXY_DIAL_FORBIDDEN',
  'PROXY_DIAL_LOOP',
  'PROXY_LIMIT_CONNECTIONS',
  'PROXY_LIMIT_RATE',
  'PROXY_WAKE_QUEUE_FULL',
])

/**
 * May the connection go on after this error? Drivers put a connection back into their pool when they have read an error document;
 * closing it in that moment would fail the next command too, which may be for another tenant.
 */
export function isBearable({ code, origin }: GatewayError): boolean {
  return origin === 'resolver' || origin === 'backend' || bearable.has(code)
}

/** Whoever waits for an answer. */
export interface Request {
  readonly requestId: number
  readonly opCode: number
  /** The error label with which it may be tried again. */
  readonly label: string | undefined
}

/** What a moment later, or elsewhere, may work. */
const retryable: ReadonlySet<number> = new Set([6, 7, 89, 91])

/** The error document for a request, as its reply. undefined = just close. */
export function refusal(error: GatewayError, request: Request): Buffer | undefined {
  // A code of a newer kernel is not in this table.
  const code = error.code in codes ? codes[error.code] : internalError
  if (code === undefined) return undefined
  return errorReply(code, error.hint === undefined ? error.message : `${error.message}. ${error.hint}`, request)
}

function errorReply([code, name]: Code, message: string, request: Request): Buffer {
  const legacy = request.opCode === opCodes.query
  const document = new DocumentWriter().double('ok', 0).string('errmsg', message)
  if (legacy) document.string('$err', message)
  document.int32('code', code).string('codeName', name)
  if (request.label !== undefined && retryable.has(code)) document.strings('errorLabels', [request.label])
  return answer(document.end(), request, true)
}

/** A document as the reply to a request. */
export function answer(document: Buffer, { opCode, requestId }: Request, failed: boolean = false): Buffer {
  if (opCode === opCodes.query) return encodeReply(requestId, document, failed)
  return encodeMsg(0, requestId, document)
}

/** For a command about the servers behind the gateway. */
export function hiddenCommand(request: Request): Buffer {
  return errorReply(commandNotSupported, 'the command is not supported through the gateway', request)
}

/** For a database of another tenant. */
export function otherTenant(request: Request): Buffer {
  return errorReply(unauthorized, 'the connection is for another tenant: use a client for each tenant', request)
}

/** What a server that is no member of a replica set says, so that drivers give their advice. */
export function noTransactions(request: Request): Buffer {
  const message = 'Transaction numbers are only allowed on a replica set member or mongos'
  return errorReply(illegalOperation, message, request)
}

/** X.509 proves the key of the TLS handshake, which is with the gateway. */
export function noX509(request: Request): Buffer {
  const message = 'X.509 authentication does not go through a gateway that ends TLS: use another mechanism'
  return errorReply(authenticationFailed, message, request)
}

export function unknownApiVersion(request: Request): Buffer {
  return errorReply(apiVersionError, "the API version must be '1'", request)
}

/** OP_QUERY is only there to say hello. */
export function legacyQuery(request: Request): Buffer {
  return errorReply(
    unsupportedQuery,
    'OP_QUERY is no longer supported: the client driver may require an upgrade',
    request,
  )
}

/** For the request that is under way when a drain ends the session. */
export function shuttingDown(request: Request): Buffer {
  return errorReply(shutdownInProgress, 'the gateway is shutting down', request)
}
