import { type Backend, backend, type Resolver, type RouteRequest } from '@proxy/kernel'
import { Redis } from 'ioredis'
import type { RedisServer } from '@proxy/test-servers'

export const never: AbortSignal = new AbortController().signal

export function requestFor(key: string): RouteRequest {
  const client = { host: '192.0.2.1', port: 40_000 }
  return { key, protocol: 'tcp', listener: 'tcp', session: 's1', client, tls: undefined, unread: 0, attributes: {} }
}

export async function resolved(resolver: Resolver, key: string): Promise<Backend> {
  return backend(await resolver.resolve(requestFor(key), never))
}

/** The endpoint as `host:port`, or the code of the error. */
export async function answerOf(resolver: Resolver, key: string): Promise<string> {
  try {
    const [endpoint] = (await resolved(resolver, key)).endpoints
    return `${endpoint!.host}:${endpoint!.port}`
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

/** A client of the test's own. */
export function plainClient({ host, port }: RedisServer): Redis & AsyncDisposable {
  const client = new Redis({ host, port })
  client.on('error', () => undefined)
  return Object.assign(client, {
    [Symbol.asyncDispose]: () => {
      client.disconnect()
      return Promise.resolve()
    },
  })
}
