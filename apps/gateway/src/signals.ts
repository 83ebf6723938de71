import type { Disposer } from '@proxy/kernel'

export interface SignalActions {
  drain(): void
  /** A second signal: do not wait any longer. */
  force(): void
  reload(): void
}

// npm passes a signal on that a terminal has sent to the whole process group already: one Ctrl-C arrives twice.
const repeatMs = 500

/** SIGTERM and SIGINT drain, and force when they come again; SIGHUP reloads. */
export function onSignals(actions: SignalActions): Disposer {
  let first: number | undefined
  const end = (): void => {
    const now = performance.now()
    if (first === undefined) {
      first = now
      actions.drain()
    } else if (now - first > repeatMs) actions.force()
  }
  const reload = (): void => actions.reload()
  process.on('SIGTERM', end).on('SIGINT', end).on('SIGHUP', reload)
  return () => void process.off('SIGTERM', end).off('SIGINT', end).off('SIGHUP', reload)
}
