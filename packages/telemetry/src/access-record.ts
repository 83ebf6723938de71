import { formatAddress, type GatewayError, type SessionEndEvent, type SessionTiming } from '@proxy/kernel'

/** What the log says of a session. Members that are not there were not there. */
export interface SessionRecord {
  readonly session: string
  readonly listener: string
  readonly protocol: string
  readonly client: string
  readonly key?: string | undefined
  readonly outcome: string
  readonly reason: string
  readonly code?: string | undefined
  readonly origin?: string | undefined
  readonly cause?: string | undefined
  readonly tls?: string | undefined
  readonly serverName?: string | undefined
  readonly bytesFromClient: number
  readonly bytesToClient: number
  /** From accept to the end, in milliseconds. */
  readonly ms: number
  readonly clientMs: number
  readonly resolveMs: number
  readonly wakeMs: number
  readonly dialMs: number
  readonly firstByteMs?: number | undefined
}

export function sessionRecord(event: SessionEndEvent): SessionRecord {
  const { session, listener, protocol, key, outcome, reason, error, tls } = event
  return {
    session,
    listener,
    protocol,
    client: formatAddress(event.client),
    key,
    outcome,
    reason,
    ...(error === undefined ? undefined : errorRecord(error)),
    ...(tls === undefined ? undefined : { tls: tls.version, serverName: tls.serverName }),
    bytesFromClient: event.bytesFromClient,
    bytesToClient: event.bytesToClient,
    ms: rounded(event.durationMs),
    ...timingRecord(event.timing),
  }
}

function timingRecord({ clientMs, resolveMs, wakeMs, dialMs, firstByteMs }: SessionTiming): {
  clientMs: number
  resolveMs: number
  wakeMs: number
  dialMs: number
  firstByteMs: number | undefined
} {
  return {
    clientMs: rounded(clientMs),
    resolveMs: rounded(resolveMs),
    wakeMs: rounded(wakeMs),
    dialMs: rounded(dialMs),
    firstByteMs: roundedIf(firstByteMs),
  }
}

const errorRecord = (error: GatewayError): { code: string; origin: string; cause: string | undefined } => ({
  code: error.code,
  origin: error.origin,
  cause: causeOf(error),
})

/** To the microsecond. */
const rounded = (ms: number): number => Math.round(ms * 1_000) / 1_000
const roundedIf = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : rounded(ms))

/** Logs stay inside, so the cause may name addresses. */
export function causeOf({ cause }: GatewayError): string | undefined {
  return cause instanceof Error ? cause.message : cause === undefined ? undefined : 'unknown'
}
