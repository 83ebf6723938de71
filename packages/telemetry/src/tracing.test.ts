import type { ExportResult } from '@opentelemetry/core'
import { ExportResultCode } from '@opentelemetry/core'
import { emptyResource } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { backend, GatewayError, Hooks, type HookMap, type RequestTrace, type Session } from '@proxy/kernel'
import { beforeEach, describe, expect, it } from 'vitest'
import { SpanQueue } from './span-queue.ts'
import { Tracing } from './tracing.ts'

const client = { host: '192.0.2.1', port: 5 }
const endpoint = { host: '10.0.0.1', port: 80 }
const asleep = backend('10.0.0.1:80')
const at = { session: 's', listener: 'l', protocol: 'http', key: 'a' }
const session = {
  id: 's',
  listener: 'l',
  protocol: 'http',
  client: { peer: client, tls: undefined },
} as unknown as Session
const parent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

const request = (
  trace: RequestTrace | undefined,
  over: Partial<HookMap['request:end']> = {},
): HookMap['request:end'] => ({
  ...at,
  method: 'GET',
  path: '/',
  status: 200,
  version: '1.1',
  durationMs: 50,
  timing: { routedMs: 30, upstreamMs: 32, firstByteMs: 40 },
  bytesFromClient: 1,
  bytesToClient: 1,
  endpoint,
  error: undefined,
  trace,
  ...over,
})

const ended = (over: Partial<HookMap['session:end']> = {}): HookMap['session:end'] => ({
  ...at,
  protocol: 'postgres',
  client,
  outcome: 'relayed',
  reason: 'client',
  error: undefined,
  tls: undefined,
  bytesFromClient: 1,
  bytesToClient: 1,
  durationMs: 50,
  timing: { clientMs: 0, resolveMs: 0, wakeMs: 0, dialMs: 0, firstByteMs: undefined },
  ...over,
})

describe('Tracing', () => {
  let sent: ReadableSpan[]
  let hooks: Hooks
  let queue: SpanQueue
  let tracing: Tracing

  beforeEach(() => {
    sent = []
    const exporter = {
      export: (spans: ReadableSpan[], done: (result: ExportResult) => void) => {
        sent.push(...spans)
        done({ code: ExportResultCode.SUCCESS })
      },
      shutdown: () => Promise.resolve(),
    }
    queue = new SpanQueue(exporter, { maxQueueSize: 99, maxBatchSize: 99, delayMs: 60_000, timeoutMs: 1_000 }, () => {})
    hooks = new Hooks()
    tracing = new Tracing(() => true, queue, emptyResource())
    tracing.observe(hooks)
  })

  const tree = async (): Promise<string[]> => {
    await queue.flush()
    const nameOf = new Map(sent.map((span) => [span.spanContext().spanId, span.name]))
    return sent.map(
      ({ name, parentSpanContext: from }) => `${from ? (nameOf.get(from.spanId) ?? 'client') : '-'} > ${name}`,
    )
  }

  it('shows where a request waited for a backend to start', async () => {
    const trace = tracing.start(session, parent, 'v=1')
    expect(trace?.tracestate).toBe('v=1')
    hooks.emit('route:end', { ...at, durationMs: 30, wakeMs: 20, backend: asleep, error: undefined })
    hooks.emit('request:end', request(trace))
    expect(await tree()).toEqual(['client > GET', 'GET > resolve', 'resolve > wake', 'GET > dial', 'GET > GET'])
    expect(sent[2]!.duration).toEqual([0, 20_000_000])
  })

  it('has no span for a backend that was never asked, and says why', async () => {
    const error = new GatewayError('PROXY_RESOLVE_UNAVAILABLE')
    const timing = { routedMs: undefined, upstreamMs: undefined, firstByteMs: undefined }
    const trace = tracing.start(session, undefined, 'v=1')
    expect(trace?.tracestate).toBeUndefined()
    hooks.emit('request:end', request(trace, { status: 503, timing, error, endpoint: undefined }))
    expect(await tree()).toEqual(['- > GET', 'GET > resolve'])
    expect(sent.map(({ attributes }) => attributes['error.type'])).toEqual([error.code, error.code])
  })

  it("does not call a client's mistake an error of the server", async () => {
    hooks.emit('request:end', request(tracing.start(session, parent, undefined), { status: 404 }))
    await queue.flush()
    expect(sent[0]!.attributes['error.type']).toBeUndefined()
    expect(sent.at(-1)!.attributes['error.type']).toBe('404')
  })

  it('gives a session whose requests are followed no span of its own', async () => {
    hooks.emit('session:open', { session: 's', listener: 'l', client })
    hooks.emit('request:end', request(tracing.start(session, parent, undefined)))
    hooks.emit('session:end', ended({ protocol: 'http' }))
    expect(await tree()).not.toContain('- > http session')
  })

  it('shows the parts of a session, at most 64 of them', async () => {
    hooks.emit('session:open', { session: 's', listener: 'l', client })
    hooks.emit('route:end', { ...at, durationMs: 5, wakeMs: 2, backend: asleep, error: undefined })
    for (let i = 0; i < 100; i++) {
      hooks.emit('dial:end', { ...at, backend: asleep, endpoint, durationMs: 1, error: undefined })
    }
    hooks.emit('relay:start', { ...at, backend: asleep, endpoint, setupMs: 6 })
    hooks.emit('session:end', ended({ error: new GatewayError('PROXY_BACKEND_CLOSED') }))
    const names = await tree()
    expect(names.slice(0, 4)).toEqual([
      '- > postgres session',
      'postgres session > resolve',
      'resolve > wake',
      'postgres session > dial',
    ])
    expect(names.at(-1)).toBe('postgres session > relay')
    expect(names).toHaveLength(66)
    expect(sent[0]!.attributes).toMatchObject({ 'db.system.name': 'postgresql', 'error.type': 'PROXY_BACKEND_CLOSED' })
  })

  it('forgets what has ended', async () => {
    hooks.emit('session:open', { session: 's', listener: 'l', client })
    hooks.emit('session:end', ended())
    hooks.emit('session:end', ended())
    expect(await tree()).toEqual(['- > postgres session'])
  })
})
