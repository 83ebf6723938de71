import { type ListenerStats } from '@proxy/kernel'
import { type FleetSnapshot, mergedListeners } from '../snapshot.ts'
import type { Look } from './look.ts'
import type { RateKeeper, Rates } from './rates.ts'

export interface WorkerView {
  readonly worker: number
  readonly pid: number
  readonly phase: string
  /** Open sessions. */
  readonly connections: number
  readonly residentBytes: number
  /** User and system time since it started. */
  readonly cpuSeconds: number
  /** Share of one CPU since it was last asked; null: it is new. */
  readonly cpu: number | null
}

export interface ListenerView extends ListenerStats {
  /** Per second. */
  readonly acceptedRate: number
  readonly refusedRate: number
  readonly requestRate: number
  /** Both ways. */
  readonly byteRate: number
}

export interface Overview {
  readonly phase: string
  readonly version: string
  readonly uptimeMs: number
  /** What connections are made by: `epoll` or `node`. */
  readonly transport: FleetSnapshot['transport']
  readonly connections: number
  readonly rates: Rates
  readonly listeners: readonly ListenerView[]
  readonly workers: readonly WorkerView[]
  readonly restarts: number
  readonly reloads: FleetSnapshot['reloads']
}

interface Known {
  readonly at: number
  readonly cpuSeconds: number
  readonly cpu: number | null
}

// A share over less than this is noise.
const leastMs = 900

/** Remembers how much CPU time each process had used, to tell how busy it is. */
export class CpuKeeper {
  #byPid = new Map<number, Known>()

  add({ at, fleet }: Look): void {
    this.#byPid = new Map(fleet.workers.map(({ pid, cpuSeconds }) => [pid, this.#next(pid, cpuSeconds, at)]))
  }

  cpu(pid: number): number | null {
    return this.#byPid.get(pid)?.cpu ?? null
  }

  #next(pid: number, cpuSeconds: number, at: number): Known {
    const known = this.#byPid.get(pid)
    if (known === undefined) return { at, cpuSeconds, cpu: null }
    if (at - known.at < leastMs) return known
    const cpu = (cpuSeconds - known.cpuSeconds) / ((at - known.at) / 1_000)
    return { at, cpuSeconds, cpu: Math.round(Math.max(0, cpu) * 1_000) / 1_000 }
  }
}

export function overviewOf({ fleet }: Look, version: string, rates: RateKeeper, cpus: CpuKeeper): Overview {
  const listeners = mergedListeners(fleet)
  return {
    phase: fleet.phase,
    version,
    uptimeMs: Math.round(fleet.uptimeMs),
    transport: fleet.transport,
    connections: listeners.reduce((sum, { connections }) => sum + connections, 0),
    rates: rates.all,
    listeners: listeners.map((listener) => listenerView(listener, rates)),
    workers: fleet.workers.map(({ worker, pid, gateway, residentBytes, cpuSeconds }) => ({
      worker,
      pid,
      phase: gateway.phase,
      connections: gateway.sessions,
      residentBytes,
      cpuSeconds,
      cpu: cpus.cpu(pid),
    })),
    restarts: fleet.restarts,
    reloads: fleet.reloads,
  }
}

function listenerView(listener: ListenerStats, rates: RateKeeper): ListenerView {
  const { accepted, refused, requests, bytes } = rates.listener(listener.name)
  return { ...listener, acceptedRate: accepted, refusedRate: refused, requestRate: requests, byteRate: bytes }
}
