import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { lines, Scene } from './scene.ts'
import type { Layer, Resolver } from '../src/contracts.ts'
import type { HookMap } from '../src/hooks.ts'
import { coldStart } from '../src/layers/index.ts'
import { SessionTimes } from '../src/session-times.ts'

const scene = new Scene()
afterEach(() => scene.close())

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Dials take their time. */
const slow = (ms: number): Layer => ({
  name: 'slow',
  dial: (next) => async (request, signal) => {
    await later(ms)
    return next(request, signal)
  },
})

/** What is at least waited for: timers may be early by a fraction. */
const most = (ms: number): number => ms * 0.9

describe('the times of a session', () => {
  it('are those of client, resolver, start, dial and first byte, and all within its duration', async () => {
    const port = await scene.server((socket) => {
      socket.once('data', (bytes) => void later(60).then(() => socket.write(bytes)))
    })
    const resolver: Resolver = {
      name: 'slow',
      resolve: async () => {
        await later(40)
        return { endpoint: `127.0.0.1:${port}`, state: 'asleep' }
      },
      wake: async (sleeping) => {
        await later(80)
        return sleeping
      },
    }
    const gateway = await scene.gateway({ resolver, layers: [coldStart(), slow(30)] })
    const ended = Promise.withResolvers<HookMap['session:end']>()
    const routed = Promise.withResolvers<HookMap['route:end']>()
    gateway.hooks.on('session:end', ended.resolve)
    gateway.hooks.on('route:end', routed.resolve)
    const socket = scene.client(gateway)
    await once(socket, 'connect')
    await later(50)
    await scene.ask(socket, 'alpha')
    socket.destroy()
    const { timing, durationMs } = await ended.promise
    const { clientMs, resolveMs, wakeMs, dialMs, firstByteMs = 0 } = timing
    expect(clientMs).toBeGreaterThan(most(45))
    expect(resolveMs).toBeGreaterThan(most(40))
    // The start, and the probe that is dialled as slowly as everything.
    expect(wakeMs).toBeGreaterThan(most(110))
    expect(dialMs).toBeGreaterThan(most(30))
    expect(firstByteMs).toBeGreaterThan(most(60))
    expect(clientMs + resolveMs + wakeMs + dialMs + firstByteMs).toBeLessThanOrEqual(durationMs + 1)
    const route = await routed.promise
    expect(route.wakeMs).toBeGreaterThan(most(110))
    expect(route.durationMs).toBeGreaterThan(route.wakeMs + most(40))
  })

  it('know the first byte also when the protocol reads it before the relay', async () => {
    const port = await scene.server((socket) => void later(50).then(() => socket.write('hello\n')))
    const greeted = lines({
      async serve(session) {
        const upstream = await session.route('alpha')
        await upstream.peek((bytes) => bytes.indexOf(10) + 1)
        await later(50)
        await session.relay(upstream)
      },
    })
    const gateway = await scene.gateway({
      listeners: [{ address: '127.0.0.1:0', protocol: greeted }],
      resolver: () => `127.0.0.1:${port}`,
    })
    const ended = Promise.withResolvers<HookMap['session:end']>()
    gateway.hooks.on('session:end', ended.resolve)
    const socket = scene.client(gateway)
    await once(socket, 'data')
    socket.destroy()
    const { timing, durationMs } = await ended.promise
    expect(timing.firstByteMs).toBeGreaterThan(most(50))
    expect(timing.firstByteMs).toBeLessThan(durationMs - most(50))
    expect(timing.wakeMs).toBe(0)
  })

  it('of one that was refused have no first byte, and the time in which it failed', async () => {
    const gateway = await scene.gateway({ resolver: () => '127.0.0.1:1', layers: [slow(30)] })
    const ended = Promise.withResolvers<HookMap['session:end']>()
    gateway.hooks.on('session:end', ended.resolve)
    await scene.ask(scene.client(gateway), 'alpha')
    const { timing } = await ended.promise
    expect(timing.dialMs).toBeGreaterThan(most(30))
    expect(timing.firstByteMs).toBeUndefined()
  })
})

it('the first byte counts from the last dial', () => {
  const times = new SessionTimes()
  times.heard(1)
  times.asked(2)
  times.asked(5)
  times.dialled(3, 1, 10)
  times.heard(14)
  times.heard(20)
  expect(times.timing).toEqual({ clientMs: 2, resolveMs: 0, wakeMs: 0, dialMs: 2, firstByteMs: 4 })
  times.dialled(1, 0, 30)
  expect(times.timing.firstByteMs).toBeUndefined()
  times.heard(31.5)
  expect(times.timing).toMatchObject({ dialMs: 3, firstByteMs: 1.5 })
})
