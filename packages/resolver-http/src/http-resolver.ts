import { type Backend, type Clock, type Resolution, ResolveError, type Resolver, systemClock } from '@proxy/kernel'
import { ControlPlane, errorOf } from './control-plane.ts'
import { Lookups } from './lookups.ts'
import type { HttpResolverOptions } from './options.ts'
import { backendOf } from './record.ts'
import { type Settings, settingsOf } from './settings.ts'
import { filled, withKey } from './template.ts'

/**
 * Asks a control plane: `GET url`, answered by 200 and JSON, a `"host:port"` or a record with `endpoint`, `id`, `metadata`,
 * `timeoutMs`, `state`, `tls` and `proxyProtocol`. 404 is NOT_FOUND, 403 FORBIDDEN, 504 TIMEOUT, 429 and other 5xx UNAVAILABLE,
 * with `retryAfterMs` out of `Retry-After`; everything else INTERNAL. Answers count for as long as their headers say.
 *
 * Throws `PROXY_CONFIG_INVALID`.
 */
export function httpResolver(options: HttpResolverOptions): Resolver {
  return resolverOf(settingsOf(options), systemClock)
}

export function resolverOf(settings: Settings, clock: Clock): Resolver {
  const plane = new ControlPlane(settings)
  const lookups = new Lookups(settings, plane, clock)
  const { wakeUrl, sleepUrl } = settings
  const url = withKey(settings.url)
  return {
    name: 'http',
    resolve: ({ key, protocol, listener }, signal) => {
      const at = filled(url, { key, protocol, listener })
      if (at === undefined) throw new ResolveError('NOT_FOUND')
      return lookups.resolve(at, key, signal)
    },
    watch: (changed) => lookups.watch(changed),
    purge: (key) => lookups.entries.forgetKey(key),
    stats: () => lookups.stats(),
    close: () => plane.close(),
    ...(wakeUrl !== undefined && { wake: (backend, signal) => wake(plane, lookups, wakeUrl, backend, signal) }),
    ...(sleepUrl !== undefined && { sleep: (backend) => sleep(plane, lookups, sleepUrl, backend) }),
  } satisfies Resolver
}

/** What was known of it is asked for anew: it is awake now. */
async function wake(
  plane: ControlPlane,
  lookups: Lookups,
  url: string,
  backend: Backend,
  signal: AbortSignal,
): Promise<Resolution> {
  const body = await tell(plane, url, backend, signal)
  lookups.entries.forgetBackend(backend.id)
  if (body.trim() === '') return backend
  try {
    return backendOf(body)
  } catch (cause) {
    throw new ResolveError('INTERNAL', { cause })
  }
}

const sleepTimeoutMs = 30_000

async function sleep(plane: ControlPlane, lookups: Lookups, url: string, backend: Backend): Promise<void> {
  lookups.forget(backend.id)
  await tell(plane, url, backend, AbortSignal.timeout(sleepTimeoutMs))
}

async function tell(plane: ControlPlane, url: string, { id, metadata }: Backend, signal: AbortSignal): Promise<string> {
  const at = filled(url, { id })
  if (at === undefined) throw new ResolveError('NOT_FOUND')
  const answer = await plane.post(at, { id, metadata }, signal)
  if (answer.status < 200 || answer.status > 299) throw errorOf(answer)
  return answer.body
}
