import type { Disposer, HookListener, HookMap, HookName, Hooks, Layer, LayerContext } from '@proxy/kernel'
import type { Logger } from 'pino'
import { causeOf, sessionRecord } from './access-record.ts'

/** What goes wrong inside at `error`, wakes at `info`, and every session at `debug`. No payloads, no secrets. */
export function gatewayLog(logger: Logger): Layer {
  return { name: 'log', setup: (context) => observe(logger, context) }
}

/** Who writes of the same hooks, the latest last. */
const writers = new WeakMap<Hooks, object[]>()

/** While sessions of an older configuration live, its layers do too: the latest writes alone. */
function observe(logger: Logger, { hooks }: LayerContext): Disposer {
  const me = {}
  const all = writers.get(hooks) ?? []
  writers.set(hooks, all)
  all.push(me)
  const on = <N extends HookName>(name: N, write: HookListener<N>): Disposer =>
    hooks.on(name, (event) => {
      if (all.at(-1) === me) write(event)
    })
  const disposers = [
    () => void all.splice(all.indexOf(me), 1),
    on('gateway:error', ({ source, error }) => logger.error({ source, err: error }, 'internal error')),
    on('wake:start', ({ key }) => logger.info({ key }, 'waking')),
    on('wake:end', (event) => logWake(logger, event)),
    on('circuit:change', (event) => logCircuit(logger, event)),
    on('endpoint:health', (event) => logHealth(logger, event)),
  ]
  // Without a listener the kernel does not even build the event.
  if (logger.isLevelEnabled('debug')) {
    disposers.push(on('session:end', (event) => logger.debug(sessionRecord(event), 'session')))
  }
  return () => {
    for (const dispose of disposers.splice(0)) dispose()
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
