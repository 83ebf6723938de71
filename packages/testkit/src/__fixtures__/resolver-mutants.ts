import { type Resolution, ResolveError, type Resolver, type RouteRequest } from '@proxy/kernel'

const table = new Map<string, string>([
  ['alpha', '10.1.0.1:5432'],
  ['beta', '10.1.0.2:5432'],
])

function lookUp({ key }: RouteRequest): Resolution {
  const found = table.get(key)
  if (found === undefined) throw new ResolveError('NOT_FOUND')
  return found
}

const resolver = (parts: Partial<Resolver>): Resolver => ({ name: 'mutant', resolve: lookUp, ...parts })

/** A resolver as it should be, with everything that is optional. */
export function complete(): Resolver {
  const awake = new Set<string>()
  let connections = 0
  return resolver({
    resolve: (request) => {
      if (request.key === 'gamma')
        return { endpoint: '10.1.0.3:5432', id: 'gamma', state: awake.has('gamma') ? 'ready' : 'asleep' }
      return lookUp(request)
    },
    wake: async (backend) => {
      awake.add(backend.id)
      return { endpoint: [...backend.endpoints], id: backend.id }
    },
    watch: () => () => undefined,
    track: () => undefined,
    purge: (key) => void awake.delete(key),
    stats: () => ({ connections }),
    onConnect: () => void connections++,
    onDisconnect: () => void connections--,
    close: async () => undefined,
  })
}

export const wrongEndpoint = (): Resolver => resolver({ resolve: () => '10.1.0.9:5432' })

export function changingId(): Resolver {
  let asked = 0
  return resolver({ resolve: (request) => ({ endpoint: lookUp(request) as string, id: `b${asked++}` }) })
}

export const promised = (): Resolver => resolver({ resolve: async (request) => lookUp(request) })

export const typeErrors = (): Resolver => resolver({ resolve: ({ key }) => (table.get(key) as string).trim() })

export const talkative = (): Resolver =>
  resolver({
    resolve: (request) => {
      if (table.has(request.key)) return lookUp(request)
      throw new ResolveError('NOT_FOUND', { message: `only on ${[...table.values()].join()}` })
    },
  })

const record: Record<string, string> = Object.fromEntries(table)

export const prototypeLookup = (): Resolver =>
  resolver({
    resolve: ({ key }) => {
      const found = record[key]
      if (found === undefined) throw new ResolveError('NOT_FOUND')
      return found
    },
  })

/** Answers everyone with what was asked last. */
export function mixesUp(): Resolver {
  let latest: RouteRequest | undefined
  return resolver({
    resolve: async (request) => {
      latest = request
      await Promise.resolve()
      return lookUp(latest)
    },
  })
}

/** An abort breaks it for all who come later. */
export function brokenByAbort(): Resolver {
  let broken = false
  return resolver({
    resolve: async (request, signal) => {
      await Promise.resolve()
      broken ||= signal.aborted
      if (broken) throw new ResolveError('UNAVAILABLE')
      return lookUp(request)
    },
  })
}

export function purgedForGood(): Resolver {
  const purged = new Set<string>()
  return resolver({
    resolve: (request) => {
      if (purged.has(request.key)) throw new ResolveError('NOT_FOUND')
      return lookUp(request)
    },
    purge: (key) => void purged.add(key),
  })
}

export function strictAboutStrangers(): Resolver {
  const counts = new Map<string, { open: number }>()
  return resolver({
    onConnect: (key) => void counts.set(key, { open: 1 }),
    onDisconnect: (key) => {
      ;(counts.get(key) as { open: number }).open--
      counts.delete(key)
    },
  })
}

export const statsOfMaps = (): Resolver => resolver({ stats: () => ({ table }) })

export const watchForEver = (): Resolver => resolver({ watch: () => undefined as never })

export const sleepsOn = (): Resolver => ({
  ...complete(),
  wake: async (backend) => ({ endpoint: [...backend.endpoints], state: 'asleep' }),
})

export function leavesTimer(): Resolver {
  const timer = setInterval(() => undefined, 1_000)
  // Only for the sake of the tests of the kit, which must end.
  setTimeout(() => clearInterval(timer), 2_000)
  return resolver({})
}
