import type { ContainerState } from './wire.ts'

/**
 * `ready`: may be dialled. `starting`: will be by itself, or not. `paused`, `stopped`: has to be woken. `failing`: runs, and says
 * of itself that it does not serve. `gone`: cannot be started any more.
 */
export type Condition = 'ready' | 'starting' | 'paused' | 'stopped' | 'failing' | 'gone'

export function conditionOf({ Status, Health }: ContainerState): Condition {
  switch (Status) {
    case 'running':
      if (Health?.Status === 'starting') return 'starting'
      return Health?.Status === 'unhealthy' ? 'failing' : 'ready'
    case 'restarting':
      return 'starting'
    case 'paused':
      return 'paused'
    case 'created':
    case 'exited':
      return 'stopped'
    default:
      return 'gone'
  }
}
