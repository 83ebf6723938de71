import type { IncomingHttpHeaders } from 'undici/types/header.js'

/** How long an answer may be used, in milliseconds from when it came. */
export interface Freshness {
  readonly store: boolean
  readonly freshMs: number
  /** After that, while a new one is on its way. */
  readonly staleMs: number
  /** After that, when there is none to be had. */
  readonly staleOnErrorMs: number
}

/** What the headers say (RFC 9111, RFC 5861); `ttlMs` where they say nothing. */
export function freshnessOf(headers: IncomingHttpHeaders, ttlMs: number): Freshness {
  const directives = directivesOf(headers['cache-control'])
  const seconds = (name: string): number | undefined => secondsOf(directives.get(name))
  const ageMs = (secondsOf(textOf(headers['age'])) ?? 0) * 1_000
  const maxAge = directives.has('no-cache') ? 0 : seconds('max-age')
  return {
    store: !directives.has('no-store'),
    freshMs: maxAge === undefined ? ttlMs : Math.max(0, maxAge * 1_000 - ageMs),
    staleMs: (seconds('stale-while-revalidate') ?? 0) * 1_000,
    staleOnErrorMs: (seconds('stale-if-error') ?? 0) * 1_000,
  }
}

/** Milliseconds to wait, given as seconds or as a date. */
export function retryAfterOf(headers: IncomingHttpHeaders, now: number = Date.now()): number | undefined {
  const text = textOf(headers['retry-after'])
  const seconds = secondsOf(text)
  if (seconds !== undefined) return seconds * 1_000
  const date = Date.parse(text ?? '')
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

export const textOf = (header: string | string[] | undefined): string | undefined =>
  Array.isArray(header) ? header.join(', ') : header

function directivesOf(header: string | string[] | undefined): Map<string, string | undefined> {
  const parts = (textOf(header) ?? '').split(',').map((part) => part.trim().toLowerCase().split('=', 2))
  return new Map(parts.map(([name = '', value]) => [name.trim(), value]))
}

// Ten years are as good as any longer time, and still a number.
const mostSeconds = 315_360_000

function secondsOf(text: string | undefined): number | undefined {
  const digits = /^"?(\d{1,15})"?$/.exec(text?.trim() ?? '')?.[1]
  return digits === undefined ? undefined : Math.min(mostSeconds, Number(digits))
}
