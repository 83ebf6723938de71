import type { Peers } from '@proxy/kernel'
import { describe, expect, test } from 'vitest'
import { type Connection, Connections, ownerHere, ownerOf } from './connections.ts'

/** Workers that can ask each other. */
function fleet(size: number): { peers: Peers; connections: Connections }[] {
  const handlers = Array.from({ length: size }, () => new Map<string, (message: unknown, from: number) => unknown>())
  return handlers.map((own, self) => {
    const peers: Peers = {
      self,
      request: async (peer, topic, message) => {
        const handler = handlers[peer]?.get(topic)
        if (handler === undefined) throw new Error(`there is no peer ${peer}`)
        return JSON.parse(JSON.stringify(await handler(message, self))) as unknown
      },
      answer: (topic, handler) => {
        own.set(topic, handler)
        return () => own.delete(topic)
      },
    }
    const connections = new Connections()
    connections.join(peers)
    return { peers, connections }
  })
}

const caller = { user: 'app', host: '192.0.2.1' }
const session = (id: number, tenant = 'alpha', address = '10.0.0.1 3306'): Connection => {
  return { id, tenant, address, backendId: id & 0xff, caller }
}

describe('connection ids', () => {
  test('say whose they are, positively, and are far from those of servers', () => {
    const connections = new Connections()
    for (const owner of [
      { node: 0, worker: 0 },
      { node: 15, worker: 255 },
      { node: 3, worker: 7 },
    ]) {
      const id = connections.mint(owner)
      expect(ownerOf(id)).toEqual(owner)
      expect(id).toBeGreaterThanOrEqual(2 ** 30)
      expect(id).toBeLessThan(2 ** 31)
    }
    for (const own of [0, 1, 2 ** 30 - 1, 2 ** 31, 2 ** 32 - 1]) expect(ownerOf(own)).toBeUndefined()
  })

  test('are never given twice while their sessions live', () => {
    const connections = new Connections()
    const owner = { node: 0, worker: 1 }
    const first = connections.mint(owner)
    connections.add(session(first))
    const all = Array.from({ length: 2 ** 18 + 5 }, () => connections.mint(owner))
    expect(all).not.toContain(first)
  })
})

describe('a KILL', () => {
  const owner = { node: 2, worker: 1 }
  const [self, other] = fleet(3).slice(1) as [ReturnType<typeof fleet>[0], ReturnType<typeof fleet>[0]]
  const here = session(self.connections.mint(owner))
  const there = session(other.connections.mint({ node: 2, worker: 2 }))
  self.connections.add(here)
  other.connections.add(there)
  const find = (target: Connection, changed: Partial<Connection> = {}) =>
    self.connections.find(self.peers, owner, { ...target, ...changed })

  test('finds the session of this worker and of another', async () => {
    expect(find(here)).toBe(here.backendId)
    expect(await find(there)).toBe(there.backendId)
  })

  test('finds nothing of another tenant, server, gateway, or of the server itself', async () => {
    for (const target of [here, there]) {
      expect(await find(target, { tenant: 'beta' })).toBeUndefined()
      expect(await find(target, { address: '10.0.0.2 3306' })).toBeUndefined()
    }
    expect(find(here, { id: here.id + (1 << 26) })).toBeUndefined()
    expect(find(here, { id: 7 })).toBeUndefined()
    expect(await find(there, { id: there.id + (1 << 18) })).toBeUndefined()
  })

  test('finds the session of another machine, unless its number is one that several share', async () => {
    const asked: unknown[] = []
    const machine = (node: number): Peers => ({
      self: 1,
      node,
      request: (worker, _topic, _message, at) => {
        asked.push([worker, at])
        return Promise.resolve(42)
      },
      answer: () => () => undefined,
    })
    const connections = new Connections()
    const foreign = session(connections.mint({ node: 3, worker: 9 }))
    const shared = session(connections.mint(ownerHere(undefined, machine(200))))
    const findAt = (node: number, target: Connection, own?: number) =>
      connections.find(machine(node), ownerHere(own, machine(node)), target)
    expect(await findAt(5, foreign)).toBe(42)
    expect(asked).toEqual([[9, 3]])
    expect(findAt(5, shared)).toBeUndefined()
    // Numbers that were given by hand say nothing about those of the cluster.
    expect(findAt(5, foreign, 2)).toBeUndefined()
    expect(asked).toHaveLength(1)
  })

  test('finds no session that has ended', () => {
    const gone = session(self.connections.mint(owner))
    self.connections.add(gone)
    self.connections.forget(gone)
    expect(find(gone)).toBeUndefined()
  })
})

describe('the only tenant of a caller', () => {
  test('is that of all of its sessions, on every worker', async () => {
    const [one, two] = fleet(2) as [ReturnType<typeof fleet>[0], ReturnType<typeof fleet>[0]]
    const only = () => one.connections.onlyTenantOf(one.peers, caller)
    expect(await only()).toBeUndefined()
    const sessions = [session(1), session(2), session(3, 'beta')] as const
    two.connections.add(sessions[0])
    expect(await only()).toBe('alpha')
    one.connections.add(sessions[1])
    expect(await only()).toBe('alpha')
    two.connections.add(sessions[2])
    expect(await only()).toBeUndefined()
    two.connections.forget(sessions[2])
    expect(await only()).toBe('alpha')
    for (const other of [
      { ...caller, user: 'root' },
      { ...caller, host: '192.0.2.2' },
    ]) {
      expect(await one.connections.onlyTenantOf(one.peers, other)).toBeUndefined()
    }
  })

  test('counts the sessions at other machines', async () => {
    const [{ peers, connections }] = fleet(1) as [ReturnType<typeof fleet>[0]]
    const elsewhere = (names: readonly unknown[]): Peers => ({ ...peers, others: () => Promise.resolve(names) })
    expect(await connections.onlyTenantOf(elsewhere([['alpha'], [], null, [7]]), caller)).toBe('alpha')
    connections.add(session(1, 'beta'))
    expect(await connections.onlyTenantOf(elsewhere([['alpha']]), caller)).toBeUndefined()
    const away: Peers = { ...peers, others: () => Promise.reject(new Error('away')) }
    expect(await connections.onlyTenantOf(away, caller)).toBe('beta')
  })

  test('is forgotten with the last session', async () => {
    const [{ peers, connections }] = fleet(1) as [ReturnType<typeof fleet>[0]]
    const last = session(1)
    connections.add(last)
    connections.forget(last)
    expect(connections.size).toBe(0)
    expect(await connections.onlyTenantOf(peers, caller)).toBeUndefined()
  })
})
