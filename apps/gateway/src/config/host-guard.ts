import type { Layer, Resolve } from '@proxy/kernel'
import { type ReloadableTls, serverNameGuard } from '@proxy/tls'

/**
 * HTTP names its tenant inside TLS: where client certificates are demanded for some names only, a client could begin TLS
 * for an open name and then ask for a closed one. Held against every listener's TLS, as a request does not say which
 * of them ended its own.
 */
export class HostGuard implements Layer {
  readonly name = 'host-guard'
  readonly #guards: Layer[] = []

  add(tls: ReloadableTls): void {
    if (tls.mode !== 'passthrough') this.#guards.push(serverNameGuard(tls))
  }

  resolve(next: Resolve): Resolve {
    const guarded = this.#guards.reduceRight((inner, guard) => guard.resolve?.(inner) ?? inner, next)
    if (guarded === next) return next
    return (request, signal) => (request.protocol === 'http' ? guarded : next)(request, signal)
  }
}
