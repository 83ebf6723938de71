import type { Dial, Layer } from '@proxy/kernel'
import { guard } from '@proxy/kernel/layers'
import type { GatewayConfig } from './types.ts'

/** The guard in place of the kernel's own when some listeners are exempt from it, or have no name to tell them by. */
export function guardExcept({ listeners, guard: options }: GatewayConfig): Layer[] {
  const exempt = new Set(listeners.filter(({ skipValidation }) => skipValidation === true).map(({ name }) => name))
  if (exempt.size === 0 || options === false) return []
  const inner = guard(typeof options === 'object' ? options : undefined)
  const dial = (next: Dial): Dial => {
    const guarded = inner.dial?.(next) ?? next
    return (request, signal) => (exempt.has(request.listener) ? next(request, signal) : guarded(request, signal))
  }
  return [{ ...inner, name: 'guard', dial, ...(inner.setup && { setup: (context) => inner.setup?.(context) }) }]
}
