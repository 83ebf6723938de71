import { Hooks, type RequestEndEvent } from '@proxy/kernel'
import { describe, expect, it } from 'vitest'
import { Collector } from './collector.ts'
import { prometheusText } from './prometheus.ts'
import { RequestSeries, sumOf } from './request-series.ts'

const request = (over: Partial<RequestEndEvent> = {}): RequestEndEvent => ({
  session: 's',
  listener: 'http',
  protocol: 'http',
  key: 'a',
  method: 'GET',
  path: '/',
  status: 200,
  version: '1.1',
  durationMs: 4,
  timing: { routedMs: 0, upstreamMs: 1, firstByteMs: 3 },
  bytesFromClient: 1,
  bytesToClient: 1,
  endpoint: undefined,
  error: undefined,
  trace: undefined,
  ...over,
})

describe('requests', () => {
  const hooks = new Hooks()
  const collector = new Collector(1)
  collector.setup({ hooks })
  hooks.emit('request:end', request())
  hooks.emit('request:end', request({ method: 'POST', status: 503, durationMs: 40 }))
  for (let i = 0; i < 500; i++) hooks.emit('request:end', request({ method: `M${i}`, version: '2' }))

  it('are shown by status and version, and their time by listener', () => {
    const lines = prometheusText(collector.snapshot().samples).split('\n')
    expect(lines).toContain('proxy_http_requests_total{listener="http",version="1.1",status="200"} 1')
    expect(lines).toContain('proxy_http_requests_total{listener="http",version="2",status="200"} 500')
    expect(lines).toContain('proxy_http_request_duration_seconds_bucket{listener="http",le="0.005"} 501')
    expect(lines).toContain('proxy_http_request_duration_seconds_count{listener="http"} 502')
  })

  it('tell what the backend took to answer', () => {
    const lines = prometheusText(collector.snapshot().samples).split('\n')
    const series = 'proxy_session_part_duration_seconds_sum{listener="http",protocol="http",part="first_byte"}'
    expect(Number(lines.find((line) => line.startsWith(series))?.split(' ')[1])).toBeCloseTo(1.004)
  })

  it('with methods that clients invent are one series', () => {
    expect(collector.requests().map(({ method, status }) => `${method} ${status}`)).toEqual([
      'GET 200',
      'POST 503',
      '_OTHER 200',
    ])
  })

  it('are kept apart by each label, whatever came before them', () => {
    const apart = new RequestSeries()
    const others = [{ status: 404 }, { method: 'PUT' }, { version: '2' }, { listener: 'b' }, { status: 2_000 }] as const
    for (const over of others) for (const each of [{}, over, over]) apart.observe(request(each))
    const counted = apart.list().map((one) => [one.listener, one.method, one.status, one.version, sumOf(one.counts)])
    expect(counted).toEqual([
      ['http', 'GET', 200, '1.1', 5],
      ['http', 'GET', 404, '1.1', 2],
      ['http', 'GET', 200, '2', 2],
      ['http', 'GET', 0, '1.1', 2],
      ['http', 'PUT', 200, '1.1', 2],
      ['b', 'GET', 200, '1.1', 2],
    ])
  })
})
