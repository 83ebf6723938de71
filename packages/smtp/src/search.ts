import { type Backend, GatewayError, type Session, type Upstream } from '@proxy/kernel'
import type { Server } from './dialogue.ts'
import type { Hello } from './hello.ts'
import { startBackend } from './startup.ts'
import type { UpstreamEnd } from './upstream-end.ts'

export interface Searcher {
  readonly session: Session
  readonly server: Server
  readonly upstream: UpstreamEnd | undefined
  readonly draining: boolean
  readonly over: boolean
  dropUpstream(): void
}

/**
 * Looks for the backend of a key: dials it and makes it ready, unless it is the one that is there already (`undefined`). Asks
 * the resolver in any case, as its answer may have changed.
 */
export async function search(
  searcher: Searcher,
  key: string,
  hello: Hello,
  attributes: Readonly<Record<string, string>>,
): Promise<Upstream | undefined> {
  const { session, server } = searcher
  if (searcher.draining) throw new GatewayError('PROXY_DRAINING')
  const answer = session.resolve(key, attributes)
  const backend = answer instanceof Promise ? await answer : answer
  if (searcher.over) throw new GatewayError('PROXY_CLIENT_GONE')
  const { upstream } = searcher
  if (upstream?.key === key && upstream.backendId === backend.id) return undefined
  searcher.dropUpstream()
  const { readinessTimeoutMs } = server.settings
  const xclient = wantsXclient(backend, server)
  return startBackend({ session, backend, key, hello, xclient, readinessTimeoutMs, clock: server.clock })
}

function wantsXclient(backend: Backend, { settings }: Server): boolean {
  const wanted = backend.metadata['xclient']
  return typeof wanted === 'boolean' ? wanted : settings.xclient
}
