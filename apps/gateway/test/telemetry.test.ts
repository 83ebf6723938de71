import { connect as connectHttp2 } from 'node:http2'
import { once } from 'node:events'
import { connect } from 'node:net'
import { type RunningGateway, startGateway } from '@proxy/gateway'
import {
  describeNeeding,
  type HttpBackend,
  httpBackend,
  otelCollector,
  otelReceiver,
  type OtelReceiver,
  type ReceivedSpan,
} from '@proxy/test-servers'
import { describe, expect, it } from 'vitest'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const clientSpan = '00f067aa0ba902b7'
const sampled = `00-${traceId}-${clientSpan}-01`

interface Bed extends AsyncDisposable {
  readonly backend: HttpBackend
  readonly gateway: RunningGateway
  /** Of the gateway's listener. */
  readonly http: string
}

/** A gateway that records every trace, with an HTTP and a TCP listener to one backend. */
async function bed(otlp: string, traces: { ratio: number } | boolean = { ratio: 1 }): Promise<Bed> {
  const backend = await httpBackend('hello')
  const gateway = await startGateway({
    listeners: [
      { address: '127.0.0.1:0', protocol: 'http', options: { h2c: true } },
      { address: '127.0.0.1:0', protocol: 'tcp', options: { key: 'raw' } },
    ],
    resolver: { static: { '127.0.0.1': backend.endpoint, raw: backend.endpoint } },
    guard: { allow: [`127.0.0.1 ${backend.port}`] },
    admin: false,
    log: { level: 'silent' },
    telemetry: { otlp, traces, metrics: { intervalMs: 60_000 }, resource: { 'service.name': 'edge' } },
  })
  return {
    backend,
    gateway,
    http: `http://127.0.0.1:${gateway.listeners[0]!.address.port}`,
    [Symbol.asyncDispose]: async () => {
      await gateway.close()
      await backend.close()
    },
  }
}

const named = (spans: readonly ReceivedSpan[], name: string, kind: number): ReceivedSpan => {
  const found = spans.filter((span) => span.name === name && span.kind === kind)
  expect(found.map((span) => span.name)).toHaveLength(1)
  return found[0]!
}

function expectInside(inner: ReceivedSpan, outer: ReceivedSpan): void {
  expect([inner.traceId, inner.parentSpanId]).toEqual([outer.traceId, outer.spanId])
  expect(inner.startMs).toBeGreaterThanOrEqual(outer.startMs)
  expect(inner.endMs).toBeLessThanOrEqual(outer.endMs)
}

/** The whole way of one request: client, gateway, backend. */
function expectRequest(spans: readonly ReceivedSpan[], sentOn: unknown, parent: string): void {
  const server = named(spans, 'GET', 2)
  const client = named(spans, 'GET', 3)
  expect(server).toMatchObject({ traceId, parentSpanId: parent, status: 0 })
  expect(server.attributes).toMatchObject({
    'http.request.method': 'GET',
    'http.response.status_code': 200,
    'url.path': '/x',
    'url.scheme': 'http',
    'proxy.key': '127.0.0.1',
  })
  expect(server.resource).toMatchObject({ 'service.name': 'edge', 'proxy.worker': 0 })
  expect(client.attributes).toMatchObject({ 'server.address': '127.0.0.1', 'http.response.status_code': 200 })
  expectInside(client, server)
  expectInside(named(spans, 'dial', 1), server)
  // What the backend was told is the span that waits for it.
  expect(sentOn).toBe(`00-${traceId}-${client.spanId}-01`)
}

function suite(receive: () => Promise<OtelReceiver>): void {
  it('sees a request from its client over the gateway to the backend', async () => {
    await using receiver = await receive()
    await using at = await bed(receiver.endpoint)
    const response = await fetch(`${at.http}/x?secret=1`, { headers: { traceparent: sampled, tracestate: 'v=1' } })
    expect(await response.text()).toBe('hello')
    await at.gateway.close()
    await expect.poll(() => receiver.spans().length).toBeGreaterThanOrEqual(3)
    const { headers } = at.backend.requests[0]!
    expect(headers.tracestate).toBe('v=1')
    expectRequest(receiver.spans(), headers.traceparent, clientSpan)
  })

  it('sees the same of HTTP/2', async () => {
    await using receiver = await receive()
    await using at = await bed(receiver.endpoint)
    const session = connectHttp2(at.http)
    const stream = session.request({ ':path': '/x', traceparent: sampled })
    stream.resume()
    await once(stream, 'end')
    session.close()
    await at.gateway.close()
    await expect.poll(() => receiver.spans().length).toBeGreaterThanOrEqual(3)
    expectRequest(receiver.spans(), at.backend.requests[0]!.headers.traceparent, clientSpan)
  })

  it('sees a session of any protocol, and the metrics', async () => {
    await using receiver = await receive()
    await using at = await bed(receiver.endpoint)
    const socket = connect(at.gateway.listeners[1]!.address.port, '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    socket.resume()
    await once(socket, 'close')
    await fetch(`${at.http}/nobody`, { headers: { host: 'nobody' } }).catch(() => undefined)
    await at.gateway.close()
    await expect.poll(() => receiver.spans().some(({ name }) => name === 'tcp session')).toBe(true)
    const spans = receiver.spans()
    const whole = named(spans, 'tcp session', 2)
    expect(whole).toMatchObject({ parentSpanId: '' })
    expect(whole.attributes).toMatchObject({ 'proxy.key': 'raw', 'proxy.outcome': 'relayed' })
    for (const [name, kind] of [
      ['resolve', 1],
      ['dial', 3],
      ['relay', 1],
    ] as const) {
      const part = spans.find((span) => span.name === name && span.kind === kind && span.traceId === whole.traceId)
      expect(part, name).toMatchObject({ parentSpanId: whole.spanId })
    }
    await expect.poll(() => receiver.points().length).toBeGreaterThan(0)
    const points = receiver.points()
    const valueOf = (metric: string): number | undefined => points.findLast((point) => point.metric === metric)?.value
    expect(valueOf('http.server.request.duration')).toBe(1)
    expect(points.find(({ metric }) => metric === 'http.server.request.duration')).toMatchObject({
      unit: 's',
      attributes: { 'http.request.method': 'GET' },
      resource: { 'service.name': 'edge' },
    })
    const protocols = points
      .filter(({ metric }) => metric === 'proxy.sessions')
      .map(({ attributes }) => attributes['proxy.protocol'])
    expect(new Set(protocols)).toEqual(new Set(['http', 'tcp']))
  })
}

describe('a receiver of OTLP', () => {
  suite(otelReceiver)

  it('that is told nothing passes on what clients say, as it is', async () => {
    await using receiver = await otelReceiver()
    await using at = await bed(receiver.endpoint, { ratio: 0 })
    const unsampled = `00-${traceId}-${clientSpan}-00`
    await fetch(`${at.http}/a`, { headers: { traceparent: unsampled, tracestate: 'v=1' } })
    await fetch(`${at.http}/b`)
    await fetch(`${at.http}/c`, { headers: { traceparent: 'nonsense' } })
    const sent = at.backend.requests.map(({ headers }) => [headers.traceparent, headers.tracestate])
    expect(sent).toEqual([
      [unsampled, 'v=1'],
      [undefined, undefined],
      ['nonsense', undefined],
    ])
    await at.gateway.close()
    expect(receiver.spans()).toEqual([])
  })

  it('that takes nothing harms no traffic', async () => {
    await using receiver = await otelReceiver(true)
    await using at = await bed(receiver.endpoint)
    for (let i = 0; i < 5; i++) expect((await fetch(`${at.http}/x`)).status).toBe(200)
    await at.gateway.close()
    await using again = await bed('http://127.0.0.1:9')
    expect((await fetch(`${again.http}/x`)).status).toBe(200)
  })
})

describeNeeding(['otel-collector'], "OpenTelemetry's collector", () => {
  suite(otelCollector)
})
