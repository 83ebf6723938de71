import { describe, expect, it } from 'vitest'
import { fleetOf, workerWith } from './__fixtures__/fleet.ts'
import { backendsOf } from './backends.ts'
import { circuitsOf, coldStartsOf, endpointsOf } from './layers.ts'
import { WakeLog } from './wake-log.ts'

const wake = (waiting: number, startedMsAgo: number, state = 'waking') => ({
  backend: 'pg',
  key: 'alpha',
  waiting,
  startedMsAgo,
  state,
})

const coldStart = (waiting: number, wakes: unknown[], failed: unknown[] = []) => ({
  coldStart: { waiting, waitingBytes: 10 * waiting, wakes, failed, woken: 1, failures: 0 },
})

describe('what the layers of several workers say together', () => {
  it('is one wake for those who wait for one backend', () => {
    const workers = [
      workerWith(
        1,
        coldStart(3, [wake(3, 500, 'releasing')], [{ backend: 'x', code: 'PROXY_WAKE_FAILED', msAgo: 90 }]),
      ),
      workerWith(2, coldStart(4, [wake(4, 700)], [{ backend: 'x', code: 'PROXY_WAKE_FAILED', msAgo: 50 }])),
    ]
    expect(coldStartsOf(fleetOf(workers), new WakeLog())).toMatchObject({
      waiting: 7,
      waitingBytes: 70,
      wakes: [{ backend: 'pg', key: 'alpha', waiting: 7, elapsedMs: 700, state: 'waking' }],
      failed: [{ backend: 'x', msAgo: 50 }],
    })
  })

  it('is the worst state of a circuit', () => {
    const circuit = (state: string, failures: number) => ({
      breaker: {
        circuits: [{ backend: 'pg', endpoint: { host: '::1', port: 5432 }, state, failures, retryInMs: failures }],
      },
    })
    const fleet = fleetOf([
      workerWith(1, circuit('half-open', 5)),
      workerWith(2, circuit('open', 3)),
      workerWith(3, {}),
    ])
    expect(circuitsOf(fleet)).toEqual({
      open: 1,
      halfOpen: 0,
      circuits: [{ backend: 'pg', endpoint: '[::1]:5432', state: 'open', failures: 5, retryInMs: 5, workers: 2 }],
    })
  })

  it('is unhealthy where any worker finds it so, with the connections of all; the unhealthy first', () => {
    const row = { backend: 'pg', endpoint: '127.0.0.1:1' }
    const good = { ...row, healthy: true, by: 'check', lastError: null, checkedMsAgo: 10, latencyMs: 2 }
    const bad = {
      ...row,
      healthy: false,
      by: 'outlier',
      lastError: 'PROXY_DIAL_REFUSED',
      checkedMsAgo: 900,
      latencyMs: 9,
    }
    const balance = { endpoints: [{ ...row, connections: 2, weight: 1, draining: false, slowStart: false }] }
    const other = { ...row, endpoint: '127.0.0.1:2', healthy: true }
    const workers = [
      workerWith(1, { health: { endpoints: [other, good] }, balance }),
      workerWith(2, { health: { endpoints: [bad] }, balance }),
    ]
    expect(endpointsOf(fleetOf(workers)).endpoints).toMatchObject([
      { endpoint: '127.0.0.1:1', healthy: false, by: 'outlier', checkedMsAgo: 10, latencyMs: 2, connections: 4 },
      { endpoint: '127.0.0.1:2', healthy: true, connections: null },
    ])
  })

  it('survives layers and resolvers that say something else', () => {
    const odd = { coldStart: { wakes: 7, failed: [null] }, breaker: { circuits: ['x'] }, health: { endpoints: {} } }
    const resolver = { backends: [{ name: 'pg', state: 'asleep', sinceMs: 'long' }], inner: { backends: 'none' } }
    const fleet = fleetOf([workerWith(1, odd, { resolver })])
    expect(coldStartsOf(fleet, new WakeLog()).wakes).toEqual([])
    expect(circuitsOf(fleet).circuits).toHaveLength(1)
    expect(endpointsOf(fleet).endpoints).toEqual([])
    expect(backendsOf(fleet).backends).toMatchObject([{ backend: 'pg', state: 'asleep', sinceMs: null }])
  })
})

describe('WakeLog', () => {
  const end = (error: string | null = null) => ({ backend: 'pg', key: 'a', durationMs: 5, error, endedAt: 1 })

  it('tells a wake in several workers once', () => {
    const log = new WakeLog()
    expect([log.start(1, 'pg'), log.start(2, 'pg')]).toEqual([true, false])
    expect([log.end(1, end()), log.end(2, end())]).toEqual([false, true])
    expect(log.totals).toEqual({ woken: 1, failures: 0 })
    expect(log.start(1, 'pg')).toBe(true)
  })

  it('does not wait for a worker that died', () => {
    const log = new WakeLog()
    log.start(1, 'pg')
    log.start(2, 'pg')
    log.forget(1)
    expect(log.end(2, end('PROXY_WAKE_FAILED'))).toBe(true)
    expect(log.totals).toEqual({ woken: 0, failures: 1 })
  })

  it('keeps the latest only', () => {
    const log = new WakeLog()
    for (let i = 0; i < 200; i++) log.end(1, { ...end(), endedAt: i })
    expect(log.finished).toHaveLength(50)
    expect(log.finished[0]?.endedAt).toBe(199)
  })
})
