import { fakeClock, type FakeClock } from '@proxy/testkit'
import { beforeEach, describe, expect, it } from 'vitest'
import { FakeServer } from './__fixtures__/fake-server.ts'
import { OnDemand } from './on-demand.ts'

const never = new AbortController().signal
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('OnDemand', () => {
  let clock: FakeClock
  let server: FakeServer
  let gone: (reason: string) => void
  let seen: string[]
  let backend: OnDemand

  beforeEach(() => {
    clock = fakeClock()
    server = new FakeServer()
    seen = []
    const spec = {
      endpoint: '127.0.0.1:1',
      server: (tell: typeof gone) => {
        gone = tell
        return server
      },
    }
    const changed = ({ state }: OnDemand): void => void seen.push(state)
    const exited = (_backend: OnDemand, reason: string): void => void seen.push(reason)
    backend = new OnDemand('one', spec, clock, { changed, exited })
  })

  const awake = async (): Promise<void> => {
    const woken = backend.wake(never)
    await turn()
    server.starts.at(-1)!.resolve('127.0.0.1:2')
    await woken
  }

  it('shares one start among all who wait', async () => {
    const waiting = Array.from({ length: 200 }, () => backend.wake(never))
    await turn()
    expect(backend.state).toBe('waking')
    server.starts[0]!.resolve('127.0.0.1:2')
    const resolutions = await Promise.all(waiting)
    expect(server.starts).toHaveLength(1)
    expect(new Set(resolutions).size).toBe(1)
    expect(resolutions[0]).toMatchObject({ id: 'one', state: 'ready', endpoints: [{ host: '127.0.0.1', port: 2 }] })
  })

  it('goes on starting when one who waits leaves', async () => {
    const leaver = new AbortController()
    const left = backend.wake(leaver.signal)
    const stays = backend.wake(never)
    await turn()
    leaver.abort(new Error('left'))
    await expect(left).rejects.toThrow('left')
    server.starts[0]!.resolve('127.0.0.1:2')
    await expect(stays).resolves.toMatchObject({ state: 'ready' })
  })

  it('changes its route before it ends, and starts again only when it has ended', async () => {
    await awake()
    void backend.sleep()
    expect(seen).toEqual(['awake', 'stopping'])
    expect(backend.resolution.state).toBe('asleep')
    const again = backend.wake(never)
    await turn()
    expect(server.starts).toHaveLength(1)
    server.stops[0]!.resolve()
    await turn()
    expect(server.starts).toHaveLength(2)
    server.starts[1]!.resolve('127.0.0.1:2')
    await again
    expect(backend.state).toBe('awake')
  })

  it('is asleep again when it ends by itself, and says why', async () => {
    await awake()
    gone('it ended')
    expect(seen).toEqual(['awake', 'asleep', 'it ended'])
    expect(backend.resolution.state).toBe('asleep')
  })

  it('is left alone longer and longer when it keeps ending', async () => {
    const retryAfter: number[] = []
    for (let failure = 0; failure < 5; failure++) {
      const woken = backend.wake(never)
      await turn()
      server.starts[failure]!.reject(new Error('no disk'))
      await turn()
      server.stops[failure]!.resolve()
      await expect(woken).rejects.toThrow()
      // The first time may be an accident.
      if (failure === 0) continue
      const refused = (await backend.wake(never).catch((error: unknown) => error)) as { retryAfterMs: number }
      retryAfter.push(refused.retryAfterMs)
      clock.advance(refused.retryAfterMs)
    }
    expect(retryAfter).toEqual([500, 1_000, 2_000, 4_000])
  })

  it('is started at once after it has served for a while', async () => {
    for (let i = 0; i < 5; i++) {
      await awake()
      clock.advance(30_000)
      gone('it ended')
    }
    expect(server.starts).toHaveLength(5)
  })

  it('fails a start that takes too long, for all who wait, and ends what it began', async () => {
    const waiting = [backend.wake(never), backend.wake(never)]
    await turn()
    clock.advance(60_000)
    await turn()
    server.stops[0]!.resolve()
    for (const result of await Promise.allSettled(waiting))
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'PROXY_RESOLVE_TIMEOUT' } })
    expect(backend.state).toBe('asleep')
  })

  it('fails with UNAVAILABLE, and what went wrong as the cause', async () => {
    const woken = backend.wake(never)
    await turn()
    server.starts[0]!.reject(new Error('no disk'))
    await turn()
    server.stops[0]!.resolve()
    await expect(woken).rejects.toMatchObject({ code: 'PROXY_RESOLVE_UNAVAILABLE', cause: { message: 'no disk' } })
  })

  it('ends a start under way when it closes, and starts no other', async () => {
    const woken = backend.wake(never)
    await turn()
    const closed = backend.close()
    await turn()
    server.stops[0]!.resolve()
    await expect(woken).rejects.toMatchObject({ code: 'PROXY_RESOLVE_UNAVAILABLE' })
    await closed
    expect(server.disposed).toBe(1)
    await expect(backend.wake(never)).rejects.toMatchObject({ code: 'PROXY_RESOLVE_UNAVAILABLE' })
    expect(clock.pending).toBe(0)
  })
})
