import type { Disposer, HookMap, Layer, LayerContext } from '@proxy/kernel'
import type { Logger } from 'pino'
import { causeOf, sessionRecord } from './access-record.ts'

/** What goes wrong inside at `error`, wakes at `info`, and every session at `debug`. No payloads, no secrets. */
export function gatewayLog(logger: Logger): Layer {
  return { name: 'log', setup: (context) => observe(logger, context) }
}

function observe(logger: Logger, { hooks }: LayerContext): Disposer {
  const disposers = [
    hooks.on('gateway:error', ({ source, error }) => logger.error({ source, err: error }, 'internal error')),
    hooks.on('wake:start', ({ key }) => logger.info({ key }, 'waking')),
    hooks.on('wake:end', (event) => logWake(logger, event)),
    hooks.on('circuit:change', (event) => logCircuit(logger, event)),
    hooks.on('endpoint:health', (event) => logHealth(logger, event)),
  ]
  // Without a listener the kernel does not even build the event.
  if (logger.isLevelEnabled('debug')) {
    disposers.push(hooks.on('session:end', (event) => logger.debug(sessionRecord(event), 'session')))
  }
  return () => {
    for (const dispose of disposers) dispose()
  }
}

function logWake(logger: Logger, { key, durationMs, error }: HookMap['wake:end']): void {
  const ms = Math.round(durationMs)
  if (error === undefined) logger.info({ key, ms }, 'awake')
  else logger.warn({ key, ms, code: error.code, cause: causeOf(error) }, 'waking failed')
}

function logCircuit(logger: Logger, { backend, endpoint, state, openMs }: HookMap['circuit:change']): void {
  const facts = { backend: backend.id, endpoint, state }
  if (state === 'open') logger.warn({ ...facts, openMs }, 'circuit')
  else logger.info(facts, 'circuit')
}

function logHealth(logger: Logger, { backend, endpoint, healthy, by, error }: HookMap['endpoint:health']): void {
  const facts = { backend: backend.id, endpoint, by }
  if (healthy) logger.info(facts, 'endpoint is healthy')
  else logger.warn({ ...facts, code: error?.code, cause: error && causeOf(error) }, 'endpoint is unhealthy')
}
