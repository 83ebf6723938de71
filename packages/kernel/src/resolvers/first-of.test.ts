import { describe, expect, it, vi } from 'vitest'
import { never, request } from '../__fixtures__/request.ts'
import { backend } from '../backend.ts'
import type { Backend, Resolver } from '../contracts.ts'
import { ResolveError, type ResolveErrorKind } from '../errors.ts'
import { firstOf } from './first-of.ts'
import { staticResolver } from './static.ts'

const failing = (kind: ResolveErrorKind): Resolver => ({
  name: kind,
  resolve: () => {
    throw new ResolveError(kind)
  },
})
const failingLater = (kind: ResolveErrorKind): Resolver => ({
  name: kind,
  resolve: () => Promise.reject(new ResolveError(kind)),
})
const later: Resolver = { name: 'later', resolve: () => Promise.resolve('later:1') }
const codeOf = (kind: ResolveErrorKind): unknown => expect.objectContaining({ kind })

describe('firstOf', () => {
  it('answers at once when the resolvers do', () => {
    const both = firstOf(staticResolver({ a: 'a:1' }), staticResolver({ a: 'x:1', b: 'b:1' }))
    expect(both.resolve(request('a'), never)).toBe(backend('a:1'))
    expect(both.resolve(request('b'), never)).toBe(backend('b:1'))
    expect(() => both.resolve(request('c'), never)).toThrowError(codeOf('NOT_FOUND'))
  })

  it.each(['NOT_FOUND', 'UNAVAILABLE', 'TIMEOUT', 'INTERNAL'] as const)('goes on after %s', async (kind) => {
    expect(firstOf(failing(kind), () => 'b:1').resolve(request('a'), never)).toBe(backend('b:1'))
    expect(await firstOf(failingLater(kind), () => 'b:1').resolve(request('a'), never)).toBe(backend('b:1'))
    expect(await firstOf(failing(kind), later).resolve(request('a'), never)).toBe(backend('later:1'))
  })

  it('goes on after what is no error of ours, and after a senseless answer', () => {
    const broken = firstOf(
      () => {
        throw new TypeError('bug')
      },
      () => 'not an endpoint',
      () => 'b:1',
    )
    expect(broken.resolve(request('a'), never)).toBe(backend('b:1'))
  })

  it('stops at FORBIDDEN', async () => {
    const next = vi.fn(() => 'b:1')
    expect(() => firstOf(failing('FORBIDDEN'), next).resolve(request('a'), never)).toThrowError(codeOf('FORBIDDEN'))
    await expect(firstOf(failingLater('FORBIDDEN'), next).resolve(request('a'), never)).rejects.toEqual(
      codeOf('FORBIDDEN'),
    )
    expect(next).not.toHaveBeenCalled()
  })

  it('stops when the client has left', async () => {
    const gone = new AbortController()
    const next = vi.fn(() => 'b:1')
    const first: Resolver = {
      name: 'first',
      resolve: (_, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('left')))),
    }
    const answer = firstOf(first, next).resolve(request('a'), gone.signal)
    gone.abort()
    await expect(answer).rejects.toMatchObject({ cause: new Error('left') })
    expect(next).not.toHaveBeenCalled()
  })

  it('calls a key unknown only when every resolver could say so', async () => {
    expect(() => firstOf(failing('UNAVAILABLE'), failing('NOT_FOUND')).resolve(request('a'), never)).toThrowError(
      codeOf('UNAVAILABLE'),
    )
    await expect(firstOf(failing('NOT_FOUND'), failingLater('TIMEOUT')).resolve(request('a'), never)).rejects.toEqual(
      codeOf('TIMEOUT'),
    )
  })

  it('has only the methods that one of its resolvers has', () => {
    expect(Object.keys(firstOf(() => 'a:1')).toSorted()).toEqual(['name', 'resolve'])
    const full = firstOf(() => 'a:1', { ...later, wake: async (it) => it, purge: () => {}, close: async () => {} })
    expect(Object.keys(full).toSorted()).toEqual(['close', 'name', 'placement', 'purge', 'resolve', 'wake'])
    expect(() => firstOf()).toThrowError(expect.objectContaining({ code: 'PROXY_CONFIG_INVALID' }))
  })

  it('wakes by the resolver that answered', async () => {
    const wake = vi.fn(async () => 'woken:1')
    const sleeping = (key: string): Resolver => staticResolver({ [key]: { endpoint: `${key}:1`, state: 'asleep' } })
    const a = sleeping('a')
    const b = sleeping('b')
    const both = firstOf(a, { name: 'b', resolve: (asked, signal) => b.resolve(asked, signal), wake })
    const resolve = (key: string): Backend => both.resolve(request(key), never) as Backend
    expect(await both.wake?.(resolve('b'), never)).toBe('woken:1')
    await expect(both.wake?.(resolve('a'), never)).rejects.toEqual(codeOf('UNAVAILABLE'))
    expect(wake).toHaveBeenCalledTimes(1)
  })

  it('puts to sleep by the resolver that answered, also what waking has moved', async () => {
    const slept: string[] = []
    const sleep = async ({ id }: Backend): Promise<void> => void slept.push(id)
    const own: Resolver = {
      name: 'own',
      resolve: () => ({ endpoint: 'a:1', state: 'asleep' }),
      sleep,
      wake: async () => 'b:2',
    }
    const foreign: Resolver = { name: 'foreign', resolve: failing('NOT_FOUND').resolve }
    const both = firstOf(foreign, own)
    const asleep = both.resolve(request('a'), never) as Backend
    await both.sleep?.(asleep)
    await both.wake?.(asleep, never)
    await both.sleep?.(backend('b:2'))
    await both.sleep?.(backend('unknown:1'))
    expect(slept).toEqual(['a:1', 'b:2'])
  })

  it('does not call a backend its own that nobody can wake', async () => {
    const both = firstOf(
      { name: 'wakes', resolve: failing('NOT_FOUND').resolve, wake: async (it) => it },
      () => 'plain:1',
    )
    const plain = (await both.resolve(request('a'), never)) as Backend
    await expect(both.wake?.(plain, never)).rejects.toEqual(codeOf('NOT_FOUND'))
  })

  it('lives where one of its resolvers must', () => {
    const plain = () => 'a:1'
    const waking: Resolver = { name: 'wakes', resolve: plain, wake: async (it) => it }
    expect(firstOf(plain).placement).toBeUndefined()
    expect(firstOf(plain, waking).placement).toBe('primary')
    expect(firstOf(plain, { ...waking, placement: 'worker' }).placement).toBe('worker')
    expect(firstOf({ ...later, placement: 'primary' }, plain).placement).toBe('primary')
  })

  it('reports activity to the resolver that answered, every disconnect included', () => {
    const calls: string[] = []
    const noting = (name: string, keys: string[]): Resolver => ({
      name,
      resolve: ({ key }) => {
        if (!keys.includes(key)) throw new ResolveError('NOT_FOUND')
        return `${name}:1`
      },
      track: (key) => calls.push(`${name} track ${key}`),
      onConnect: (key) => calls.push(`${name} connect ${key}`),
      onDisconnect: (key) => calls.push(`${name} disconnect ${key}`),
    })
    const moved = ['x']
    const both = firstOf(noting('one', moved), noting('two', ['x', 'y']))
    void both.resolve(request('x'), never)
    void both.resolve(request('y'), never)
    both.onConnect?.('x', {})
    both.onConnect?.('y', {})
    both.track?.('y', {})
    moved.pop()
    void both.resolve(request('x'), never)
    both.onDisconnect?.('x', {})
    both.onDisconnect?.('x', {})
    both.onConnect?.('x', {})
    both.track?.('unknown', {})
    expect(calls).toEqual(['one connect x', 'two connect y', 'two track y', 'one disconnect x', 'two connect x'])
  })

  it('purges, watches, counts and closes all', async () => {
    const purged: string[] = []
    const watchers: ((id: string) => void)[] = []
    let closed = 0
    let unwatched = 0
    const one = (name: string): Resolver => ({
      name,
      resolve: () => 'a:1',
      purge: (key) => void purged.push(`${name} ${key}`),
      stats: () => ({ hits: 1 }),
      watch: (changed) => {
        watchers.push(changed)
        return () => unwatched++
      },
      close: async () => void closed++,
    })
    const both = firstOf(one('a'), one('b'), () => 'c:1')
    await both.purge?.('k')
    expect(purged).toEqual(['a k', 'b k'])
    expect(both.stats?.()).toEqual({ '0 a': { hits: 1 }, '1 b': { hits: 1 }, '2 function': {} })
    const changed: string[] = []
    const dispose = both.watch?.((id) => changed.push(id))
    for (const watcher of watchers) watcher('b1')
    dispose?.()
    expect(changed).toEqual(['b1', 'b1'])
    expect(unwatched).toBe(2)
    await both.close?.()
    expect(closed).toBe(2)
  })
})
