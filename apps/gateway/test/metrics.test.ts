import { connect } from 'node:net'
import { startGateway } from '@proxy/gateway'
import { describeNeeding, httpBackend, run } from '@proxy/test-servers'
import { expect, it } from 'vitest'

/** Sends what begins a session of the protocol, and waits for the end that the gateway makes of it. */
async function knock(port: number, bytes: string): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.resume()
  socket.end(bytes, 'latin1')
  await new Promise((resolve) => socket.once('close', resolve))
}

describeNeeding(['promtool'], '/metrics', () => {
  it('is what promtool asks for, after traffic of every protocol', async () => {
    await using backend = await httpBackend('hello')
    const protocols = ['http', 'postgres', 'mysql', 'mongodb', 'smtp', 'redis'] as const
    const gateway = await startGateway({
      listeners: protocols.map((protocol) => ({
        address: '127.0.0.1:0',
        protocol,
        ...(protocol === 'redis' ? { options: { key: 'a "quoted\\" tenant\n' } } : {}),
      })),
      resolver: ({ key }) => ({ endpoint: backend.endpoint, metadata: { key } }),
      guard: { allow: ['127.0.0.0/8'] },
      admin: { address: '127.0.0.1:0' },
      log: { level: 'silent' },
      telemetry: { otlp: 'http://127.0.0.1:9' },
    })
    try {
      const [http, ...others] = gateway.listeners.map(({ address }) => address.port)
      await (await fetch(`http://127.0.0.1:${http!}/`)).text()
      await Promise.all([http!, ...others].map((port) => knock(port, 'GET /x HTTP/1.0\r\nHost: b\r\n\r\n')))
      const text = await (await fetch(`http://127.0.0.1:${gateway.admin!.port}/metrics`)).text()
      expect(text).toContain(
        'proxy_session_part_duration_seconds_bucket{listener="http",protocol="http",part="first_byte"',
      )
      expect(text).toContain('proxy_tenant_routes_total{tenant="a \\"quoted\\\\\\" tenant\\n"} 1')
      for (const { protocol: named } of gateway.listeners)
        expect(text).toContain(`proxy_sessions_total{listener="${named}"`)
      const { code, stdout, stderr } = await run('promtool', ['check', 'metrics'], { input: text })
      expect([stdout + stderr, code]).toEqual(['', 0])
    } finally {
      await gateway.close()
    }
  })
})
