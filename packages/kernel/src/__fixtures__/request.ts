import type { RouteRequest } from '../contracts.ts'

/** A route request for the key, with whatever else a test cares about. */
export function request(key: string, more: Partial<RouteRequest> = {}): RouteRequest {
  return {
    key,
    protocol: 'http',
    listener: 'web',
    session: 's1',
    client: { host: '198.51.100.7', port: 40_000 },
    tls: undefined,
    unread: 0,
    attributes: {},
    ...more,
  }
}

/** For calls that nobody aborts. */
export const never: AbortSignal = new AbortController().signal
