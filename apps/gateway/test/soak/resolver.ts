import { type Backend, type Disposer, type Resolution, type Resolver, type RouteRequest } from '@proxy/kernel'

export interface SoakResolverOptions {
  /** Ports of the backends, by listener. */
  readonly ports: Readonly<Record<string, number>>
  /** Where the soak starts and stops backends when it is asked to. */
  readonly deskPort: number
}

/** One tenant for each protocol; the soak's own process owns the servers. Nobody tells it when one dies. */
export function soakResolver({ ports, deskPort }: SoakResolverOptions): Resolver {
  const awake = new Set<string>()
  const watchers = new Set<(id: string) => void>()
  const changed = (id: string): void => {
    for (const watcher of watchers) watcher(id)
  }
  const ask = async (what: string, id: string): Promise<void> => {
    const response = await fetch(`http://127.0.0.1:${deskPort}/${what}/${id}`)
    if (!response.ok) throw new Error(`${what} ${id}: ${response.status}`)
  }
  return {
    name: 'soak',
    resolve({ listener }: RouteRequest): Resolution {
      return { id: listener, endpoint: `127.0.0.1:${ports[listener]}`, state: awake.has(listener) ? 'ready' : 'asleep' }
    },
    async wake(backend: Backend): Promise<Resolution> {
      await ask('wake', backend.id)
      awake.add(backend.id)
      return backend
    },
    async sleep({ id }: Backend): Promise<void> {
      awake.delete(id)
      changed(id)
      await ask('sleep', id)
    },
    watch(changed: (id: string) => void): Disposer {
      watchers.add(changed)
      return () => void watchers.delete(changed)
    },
  }
}
