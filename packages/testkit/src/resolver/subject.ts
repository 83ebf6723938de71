import { type Backend, backend, type Endpoint, type Resolver, type RouteRequest } from '@proxy/kernel'
import { within } from '../waiting.ts'

export interface KnownKey {
  readonly key: string
  /** `host:port` of the first endpoint, or the host alone where the resolution names no port. */
  readonly endpoint: string
}

export interface ResolverSubject {
  /** A new resolver for each check; it is closed at the end. */
  resolver(): Resolver | Promise<Resolver>
  /** Keys that it resolves; at least one. */
  readonly known: readonly KnownKey[]
  /** A key that it does not know. Leave it out for resolvers that know every key. */
  readonly unknown?: string | undefined
  /** True when its answers are synchronous: then they must be. */
  readonly sync?: boolean | undefined
  /** A key whose backend is asleep, for resolvers with `wake`. */
  readonly asleep?: string | undefined
}

export const never: AbortSignal = new AbortController().signal

/** A request that must not be changed. */
export function requestFor(key: string): RouteRequest {
  return Object.freeze({
    key,
    protocol: 'tcp',
    listener: 'tcp',
    session: 's1',
    client: Object.freeze({ host: '192.0.2.1', port: 40_000 }),
    tls: undefined,
    unread: 0,
    attributes: Object.freeze({}),
  })
}

/** The answer for a key, normalised as the kernel does it. */
export async function resolved(resolver: Resolver, key: string, signal: AbortSignal = never): Promise<Backend> {
  return backend(await within(Promise.resolve(resolver.resolve(requestFor(key), signal)), `an answer for "${key}"`))
}

export const endpointText = ({ host, port }: Endpoint): string => (port === undefined ? host : `${host}:${port}`)

/** Runs `body` with a resolver that is closed afterwards. */
export async function withResolver(
  subject: ResolverSubject,
  body: (resolver: Resolver) => Promise<void>,
): Promise<void> {
  const resolver = await subject.resolver()
  try {
    await body(resolver)
  } finally {
    await resolver.close?.()
  }
}
