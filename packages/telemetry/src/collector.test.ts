import { Hooks, type HookMap } from '@proxy/kernel'
import { describe, expect, it } from 'vitest'
import { Collector } from './collector.ts'
import { prometheusText } from './prometheus.ts'

const route = (key: string): HookMap['route:end'] => ({
  session: 's',
  listener: 'http',
  protocol: 'http',
  key,
  durationMs: 1,
  wakeMs: 0,
  backend: undefined,
  error: undefined,
})

const end = (key: string): HookMap['session:end'] => ({
  session: 's',
  listener: 'http',
  protocol: 'http',
  client: { host: '127.0.0.1', port: 1 },
  key,
  outcome: 'relayed',
  reason: 'client',
  error: undefined,
  tls: undefined,
  bytesFromClient: 5,
  bytesToClient: 7,
  durationMs: 1,
  timing: { clientMs: 0, resolveMs: 0, wakeMs: 0, dialMs: 0, firstByteMs: undefined },
})

describe('Collector', () => {
  it('counts by listener, outcome and reason', () => {
    const hooks = new Hooks()
    const collector = new Collector(10)
    collector.setup({ hooks })
    hooks.emit('route:end', route('alpha'))
    hooks.emit('session:end', end('alpha'))
    const text = prometheusText(collector.snapshot().samples)
    expect(text).toContain('proxy_sessions_total{listener="http",protocol="http",outcome="relayed",reason="client"} 1')
    expect(text).toContain('proxy_session_bytes_total{listener="http",direction="to_client"} 7')
    expect(collector.snapshot().tenants['alpha']).toEqual({
      routes: 1,
      sessions: 1,
      bytesFromClient: 5,
      bytesToClient: 7,
    })
  })

  it('keeps apart what differs in one label, in whatever order it comes', () => {
    const hooks = new Hooks()
    const collector = new Collector(10)
    collector.setup({ hooks })
    const ends = [end('a'), { ...end('a'), reason: 'backend' }, { ...end('a'), outcome: 'failed' }] as const
    const others = [
      { ...end('a'), protocol: 'smtp' },
      { ...end('a'), listener: 'other' },
    ] as const
    for (let i = 0; i < 3; i++) for (const event of [...ends, ...others]) hooks.emit('session:end', event)
    const { samples } = collector.snapshot()
    expect(samples.sessions?.map(({ labels, value }) => [...labels, value])).toEqual([
      ['http', 'http', 'relayed', 'client', 3],
      ['http', 'http', 'relayed', 'backend', 3],
      ['http', 'http', 'failed', 'client', 3],
      ['http', 'smtp', 'relayed', 'client', 3],
      ['other', 'http', 'relayed', 'client', 3],
    ])
    expect(samples.sessionBytes?.map(({ labels, value }) => [...labels, value])).toEqual([
      ['http', 'from_client', 60],
      ['http', 'to_client', 84],
      ['other', 'from_client', 15],
      ['other', 'to_client', 21],
    ])
  })

  it('gives so many tenants a row of their own, and the others one together', () => {
    const hooks = new Hooks()
    const collector = new Collector(3)
    collector.setup({ hooks })
    for (let i = 0; i < 1_000; i++) hooks.emit('route:end', route(`t${i}`))
    const { tenants } = collector.snapshot()
    expect(Object.keys(tenants)).toEqual(['t0', 't1', 't2', '__other__'])
    expect(tenants['__other__']?.routes).toBe(997)
  })

  it('keeps no row for a name that led nowhere', () => {
    const hooks = new Hooks()
    const collector = new Collector(3)
    collector.setup({ hooks })
    hooks.emit('session:end', end('invented'))
    expect(collector.snapshot().tenants).toEqual({})
  })

  it('counts once while a reload has it set up twice', () => {
    const hooks = new Hooks()
    const collector = new Collector(3)
    const before = collector.setup({ hooks })
    collector.setup({ hooks })
    hooks.emit('route:end', route('alpha'))
    before()
    before()
    hooks.emit('route:end', route('alpha'))
    expect(collector.snapshot().tenants['alpha']?.routes).toBe(2)
  })

  it('stops counting when it is undone', () => {
    const hooks = new Hooks()
    const collector = new Collector(3)
    collector.setup({ hooks })()
    expect(hooks.has('session:end')).toBe(false)
  })
})
