/** What layers and resolvers say of themselves is written by many hands: nothing about its shape is taken for granted. */
export type Json = Readonly<Record<string, unknown>>

export const recordOf = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}

export const recordsOf = (value: unknown): Json[] => (Array.isArray(value) ? value.map(recordOf) : [])

export const numberOf = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) ? value : 0)

/** null: there is none. */
export const numberOrNull = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null

const longestText = 300

export const textOf = (value: unknown): string => (typeof value === 'string' ? value.slice(0, longestText) : '')

/** null: there is none. */
export const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? textOf(value) : null)

/** `host:port`, whether it came as text or as an endpoint. */
export function endpointText(value: unknown): string {
  if (typeof value === 'string') return textOf(value)
  const { host, port } = recordOf(value)
  const name = textOf(host)
  if (typeof port !== 'number') return name
  return name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`
}
