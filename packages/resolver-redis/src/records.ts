import { backend, type ResolutionRecord, ResolveError } from '@proxy/kernel'

/** Longest key of a resource, in UTF-16 units: no name that a client can say is longer and sensible. */
export const longestKey = 1_024
/** Longest record, in characters of JSON. */
export const longestRecord = 65_536

/** What is kept of a resource in Redis: a hash of these. */
export interface StoredState {
  readonly record: ResolutionRecord | undefined
  /** The latest wake or sleep that was begun; 0: none. */
  readonly token: number
  /** The latest that succeeded, and the latest that failed. */
  readonly done: number
  readonly failed: number
}

export const stateFields = ['record', 'token', 'done', 'failed'] as const

/** Throws `ResolveError` INTERNAL for a record that makes no sense. */
export function parseState([record, token, done, failed]: readonly (string | null)[]): StoredState {
  return {
    record: record === null || record === undefined || record === '' ? undefined : parseRecord(record),
    token: Number(token ?? 0),
    done: Number(done ?? 0),
    failed: Number(failed ?? 0),
  }
}

export function parseRecord(text: string): ResolutionRecord {
  const record = recordIn(text)
  // Checks every field; what is wrong is in the cause.
  backend(record)
  return record
}

function recordIn(text: string): ResolutionRecord {
  if (text.length > longestRecord) throw malformed('the record is too long')
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'string') return { endpoint: value }
    if (isRecord(value)) return value
  } catch (cause) {
    throw malformed('the record is no JSON', cause)
  }
  throw malformed('the record is no object')
}

/** What the kernel does not look at itself, and what would make an id that is no text. */
function isRecord(value: unknown): value is ResolutionRecord {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !('endpoint' in value)) return false
  const { id, metadata } = value as { id?: unknown; metadata?: unknown }
  if (id !== undefined && (typeof id !== 'string' || id === '' || id.length > longestKey)) return false
  return metadata === undefined || (typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata))
}

/** Throws `ResolveError` INTERNAL. */
export function encodeRecord(record: ResolutionRecord): string {
  const text = JSON.stringify(record)
  parseRecord(text)
  return text
}

function malformed(message: string, cause?: unknown): ResolveError {
  return new ResolveError('INTERNAL', { cause: new Error(message, { cause }) })
}
