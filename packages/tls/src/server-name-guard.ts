import { type Layer, ResolveError } from '@proxy/kernel'
import type { ReloadableTls } from './listener-tls.ts'

/**
 * For protocols that name their tenant inside TLS (HTTP's Host), where client certificates are demanded for some names
 * only: refuses a request for such a name on a connection that was made for another one, and so was not asked for that
 * certificate. Throws `ResolveError` of kind `FORBIDDEN`. Connections without TLS are not its business.
 */
export function serverNameGuard(tls: ReloadableTls): Layer {
  return {
    name: 'server-name-guard',
    resolve: (next) => (request, signal) => {
      if (request.tls !== undefined && !tls.admits(request.tls.serverName, request.key)) {
        throw new ResolveError('FORBIDDEN', { message: 'the host name is not the one that TLS was begun for' })
      }
      return next(request, signal)
    },
  }
}
