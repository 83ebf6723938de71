import type { Layer } from '@proxy/kernel'
import { observed } from './resolver.ts'

const now = (): number => Number(process.hrtime.bigint()) / 1e6

/** Keeps what the hooks say, for the test to ask. */
export function observer(): Layer {
  return {
    name: 'observer',
    setup({ hooks }) {
      const disposers = [
        hooks.on('wake:end', ({ error }) => observed.wakes.push({ at: now(), failed: error !== undefined })),
        hooks.on('route:end', () => observed.routes.push(now())),
        hooks.on('dial:end', ({ protocol, durationMs, session, error }) => {
          if (error !== undefined) return
          const to = now()
          observed.dials.push({ protocol, from: to - durationMs, to, session: session !== undefined })
        }),
      ]
      return () => {
        for (const dispose of disposers) dispose()
      }
    },
  }
}
