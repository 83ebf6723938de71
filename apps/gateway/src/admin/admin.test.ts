import type { GatewayStats } from '@proxy/kernel'
import { metrics, SampleStore } from '@proxy/telemetry'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AdminServer, type AdminSource } from './admin.ts'
import { Operator } from './api/operator.ts'
import { MailStore, type StoredMail } from '../embedded/mail-store.ts'
import type { FleetSnapshot, WorkerSnapshot } from './snapshot.ts'

const gateway = (accepted: number): GatewayStats => ({
  phase: 'open',
  sessions: 1,
  resolver: { hits: accepted, name: 'x' },
  layers: {},
  listeners: [
    { name: 'http', address: { host: '127.0.0.1', port: 1 }, protocol: 'http', connections: 2, accepted, refused: 1 },
  ],
})

function worker(id: number, accepted: number): WorkerSnapshot {
  const store = new SampleStore()
  store.add('sessions', ['http', 'http', 'answered', 'done'], accepted)
  store.observe('routeSeconds', ['http'], 3)
  const tenants = { alpha: { routes: accepted, sessions: 1, bytesFromClient: 10, bytesToClient: 20 } }
  const process = { worker: id, pid: 1000 + id, residentBytes: 5, cpuSeconds: 0.5 }
  // What crosses processes is JSON.
  return JSON.parse(JSON.stringify({ ...process, gateway: gateway(accepted), samples: store.snapshot(), tenants }))
}

const fleet: FleetSnapshot = {
  phase: 'open',
  uptimeMs: 1,
  transport: 'epoll',
  workers: [worker(1, 3), worker(2, 4)],
  retired: [worker(3, 100)],
  restarts: 1,
  reloads: { ok: 2, failed: 0 },
  maxTenants: 10,
}

describe('AdminServer', () => {
  const snapshot = (): Promise<FleetSnapshot> => Promise.resolve(fleet)
  const operator = new Operator({ snapshot, ask: () => Promise.resolve([]), drain: () => Promise.resolve() })
  const source: Omit<AdminSource, 'ready' | 'mails'> & { ready: boolean; mails: readonly StoredMail[] | undefined } = {
    ready: true,
    mails: undefined,
    operator,
    snapshot,
  }
  let admin: AdminServer
  let base: string

  beforeEach(async () => {
    source.ready = true
    admin = new AdminServer(source, { token: undefined, hosts: [] })
    base = `http://127.0.0.1:${(await admin.open({ host: '127.0.0.1', port: 0 })).port}`
  })

  afterEach(() => admin.close())

  const get = (path: string, init?: RequestInit): Promise<Response> => fetch(`${base}${path}`, init)

  it('says that it is healthy, and ready only while sessions are taken', async () => {
    expect((await get('/healthz')).status).toBe(200)
    expect((await get('/readyz')).status).toBe(200)
    source.ready = false
    expect((await get('/healthz')).status).toBe(200)
    expect((await get('/readyz')).status).toBe(503)
  })

  it('adds the workers up in /metrics, those that are gone included', async () => {
    const response = await get('/metrics')
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    const lines = (await response.text()).split('\n')
    expect(lines).toContain(
      'proxy_sessions_total{listener="http",protocol="http",outcome="answered",reason="done"} 107',
    )
    expect(lines).toContain('proxy_listener_accepted_total{listener="http"} 107')
    expect(lines).toContain('proxy_listener_connections{listener="http"} 4')
    expect(lines).toContain('proxy_tenant_routes_total{tenant="alpha"} 107')
    expect(lines).toContain('proxy_route_duration_seconds_bucket{listener="http",le="0.0025"} 0')
    expect(lines).toContain('proxy_route_duration_seconds_bucket{listener="http",le="0.005"} 3')
    expect(lines).toContain('proxy_route_duration_seconds_bucket{listener="http",le="+Inf"} 3')
    expect(lines).toContain('proxy_route_duration_seconds_count{listener="http"} 3')
    expect(lines).toContain('proxy_workers 2')
    expect(lines).toContain('proxy_worker_restarts_total 1')
    expect(lines).toContain('proxy_reloads_total{result="ok"} 2')
    expect(lines).toContain('proxy_worker_resident_memory_bytes{worker="2"} 5')
  })

  it('names every metric of the table, each once', async () => {
    const body = await (await get('/metrics')).text()
    const named = body.split('\n').filter((line) => line.startsWith('# TYPE '))
    expect(named).toEqual(Object.values(metrics).map(({ name, type }) => `# TYPE ${name} ${type}`))
  })

  it('shows listeners, tenants, resolver and workers in /stats', async () => {
    expect(await (await get('/stats')).json()).toMatchObject({
      phase: 'open',
      listeners: [{ name: 'http', connections: 4, accepted: 107, refused: 3 }],
      tenants: { alpha: { routes: 107, sessions: 3, bytesFromClient: 30, bytesToClient: 60 } },
      resolver: { hits: 7, name: 'x' },
      workers: [
        { worker: 1, pid: 1001 },
        { worker: 2, pid: 1002 },
      ],
    })
  })

  it('shows mail as JSON, and as a page in which nothing of it is alive', async () => {
    expect((await get('/mail')).status).toBe(404)
    const store = new MailStore()
    const content = Buffer.from('Subject: <script>alert(1)</script>\r\n\r\n</pre><img src=x onerror="a\'b">')
    store.add({ tenant: 'alpha', from: '"<b>"@x', to: ['a&b@y'], content })
    source.mails = store.list()
    const response = await get('/mail', { headers: { accept: 'application/json' } })
    expect(await response.json()).toMatchObject({
      messages: [{ id: 1, tenant: 'alpha', to: ['a&b@y'], bytes: content.length, text: content.toString() }],
    })
    const page = await get('/mail', { headers: { accept: 'text/html,application/xhtml+xml' } })
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'/)
    const html = await page.text()
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(html).toContain('&lt;/pre&gt;&lt;img src=x onerror=&quot;a&#39;b&quot;&gt;')
    expect(html).toContain('&quot;&lt;b&gt;&quot;@x to a&amp;b@y')
    expect(html).not.toMatch(/<(script|img|b>")/)
    source.mails = undefined
  })

  it('knows no other page, and no other method', async () => {
    expect((await get('/toString')).status).toBe(404)
    const response = await get('/stats', { method: 'POST' })
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })
})
