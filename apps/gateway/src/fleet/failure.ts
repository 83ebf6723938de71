import { GatewayError } from '@proxy/kernel'
import { ConfigError } from '../config/problems.ts'

/** Why the gateway could not open; survives JSON. */
export interface Failure {
  readonly message: string
  /** The system's error code (`EADDRINUSE`, `EACCES`) and the port, when an address could not be bound. */
  readonly code?: string | undefined
  readonly port?: number | undefined
}

/** An open that failed, in this process or in a worker. */
export class OpenError extends Error {
  readonly failure: Failure

  constructor(failure: Failure) {
    super(failure.message)
    this.failure = failure
  }
}

export function failureOf(error: unknown): Failure {
  if (error instanceof OpenError) return error.failure
  const system = systemError(error)
  return { message: messageOf(error), code: system?.code, port: system?.port }
}

interface SystemError {
  readonly code?: string
  readonly port?: number
}

function systemError(error: unknown): SystemError | undefined {
  if (!(error instanceof Error)) return undefined
  if ('syscall' in error || 'port' in error) return error as SystemError
  return systemError(error.cause)
}

/** With its causes: what stands behind a message for clients is what an operator needs. */
export function messageOf(error: unknown): string {
  if (error instanceof ConfigError) return error.message
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `: ${messageOf(error.cause)}`
  const hint = GatewayError.is(error) && error.hint !== undefined ? ` (${error.hint})` : ''
  return `${error.message}${hint}${cause}`
}
