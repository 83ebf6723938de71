import {
  type Disposer,
  formatAddress,
  type GatewayError,
  type HookMap,
  type Layer,
  type LayerContext,
} from '@proxy/kernel'
import type { Logger } from 'pino'

/** One line for every session at `debug`, and what goes wrong inside at `error`. No payloads, no secrets. */
export function accessLog(logger: Logger): Layer {
  return { name: 'access-log', setup: (context) => observe(logger, context) }
}

function observe(logger: Logger, { hooks }: LayerContext): Disposer {
  const disposers = [
    hooks.on('gateway:error', ({ source, error }) => logger.error({ source, err: error }, 'internal error')),
    hooks.on('wake:start', ({ key }) => logger.info({ key }, 'waking')),
    hooks.on('wake:end', (event) => logWake(logger, event)),
  ]
  // Without a listener the kernel does not even build the event.
  if (logger.isLevelEnabled('debug')) disposers.push(hooks.on('session:end', (event) => logSession(logger, event)))
  return () => {
    for (const dispose of disposers) dispose()
  }
}

function logWake(logger: Logger, { key, durationMs, error }: HookMap['wake:end']): void {
  const ms = Math.round(durationMs)
  if (error === undefined) logger.info({ key, ms }, 'awake')
  else logger.warn({ key, ms, code: error.code, cause: causeOf(error) }, 'waking failed')
}

function logSession(logger: Logger, event: HookMap['session:end']): void {
  const { session, listener, protocol, key, outcome, reason, error, tls } = event
  logger.debug(
    {
      session,
      listener,
      protocol,
      client: formatAddress(event.client),
      key,
      outcome,
      reason,
      ...(error === undefined ? {} : { code: error.code, origin: error.origin, cause: causeOf(error) }),
      ...(tls === undefined ? {} : { tls: tls.version, serverName: tls.serverName }),
      bytesFromClient: event.bytesFromClient,
      bytesToClient: event.bytesToClient,
      ms: Math.round(event.durationMs),
    },
    'session',
  )
}

/** Logs stay inside, so the cause may name addresses. */
function causeOf(error: GatewayError): string | undefined {
  const { cause } = error
  return cause instanceof Error ? cause.message : cause === undefined ? undefined : 'unknown'
}
