import { GatewayError, Hooks, type HookMap } from '@proxy/kernel'
import { describe, expect, it } from 'vitest'
import { AccessLogLayer, type AccessLogOptions } from './access-log.ts'
import type { Written } from './log-sinks.ts'
import { requestLine } from './request-line.ts'

const ended: HookMap['session:end'] = {
  session: 's1',
  listener: 'postgres',
  protocol: 'postgres',
  client: { host: '::1', port: 5 },
  key: 'alpha',
  outcome: 'failed',
  reason: 'error',
  error: new GatewayError('PROXY_DIAL_REFUSED', { cause: new Error('connect ECONNREFUSED 10.0.0.1:5432') }),
  tls: { version: 'TLSv1.3', cipher: 'x', serverName: 'alpha.example', alpn: undefined, certificate: undefined },
  bytesFromClient: 1,
  bytesToClient: 2,
  durationMs: 3.714_159,
  timing: { clientMs: 1, resolveMs: 0.25, wakeMs: 0, dialMs: 2, firstByteMs: undefined },
}

const answered: HookMap['request:end'] = {
  session: 's2',
  listener: 'http',
  protocol: 'http',
  key: 'beta',
  method: 'GET',
  path: '/x',
  status: 200,
  version: '1.1',
  durationMs: 4,
  timing: { routedMs: 0.5, upstreamMs: 1, firstByteMs: 3 },
  bytesFromClient: 10,
  bytesToClient: 20,
  endpoint: undefined,
  error: undefined,
  trace: undefined,
}

async function logged(options: AccessLogOptions): Promise<Record<string, unknown>[]> {
  let text = ''
  const write = (chunk: Buffer, done: Written): void => {
    text += chunk.toString()
    done(null, chunk.length)
  }
  const log = new AccessLogLayer(options, { maxChunkBytes: 4_096, write, reopen: () => {}, close: () => {} })
  const hooks = new Hooks()
  const before = log.setup({ hooks })
  const dispose = log.setup({ hooks })
  before()
  hooks.emit('session:end', ended)
  hooks.emit('request:end', answered)
  dispose()
  hooks.emit('session:end', ended)
  await log.close()
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

describe('accessLog', () => {
  it('says of a session who, whose, how it ended, why, and where the time went, once', async () => {
    const lines = await logged({ base: { worker: 3 } })
    expect(lines).toEqual([
      {
        level: 30,
        time: expect.any(Number) as number,
        worker: 3,
        session: 's1',
        listener: 'postgres',
        protocol: 'postgres',
        client: '[::1]:5',
        key: 'alpha',
        outcome: 'failed',
        reason: 'error',
        code: 'PROXY_DIAL_REFUSED',
        origin: 'backend',
        cause: 'connect ECONNREFUSED 10.0.0.1:5432',
        tls: 'TLSv1.3',
        serverName: 'alpha.example',
        bytesFromClient: 1,
        bytesToClient: 2,
        ms: 3.714,
        clientMs: 1,
        resolveMs: 0.25,
        wakeMs: 0,
        dialMs: 2,
        msg: 'session',
      },
    ])
  })

  it('says the same of requests when asked to', async () => {
    const lines = await logged({ requests: true, base: { worker: 3 } })
    expect(lines).toHaveLength(2)
    expect(lines[1]).toEqual({
      level: 30,
      time: expect.any(Number) as number,
      worker: 3,
      session: 's2',
      listener: 'http',
      protocol: 'http',
      key: 'beta',
      method: 'GET',
      path: '/x',
      status: 200,
      version: '1.1',
      bytesFromClient: 10,
      bytesToClient: 20,
      ms: 4,
      routedMs: 0.5,
      upstreamMs: 1,
      firstByteMs: 3,
      msg: 'request',
    })
  })

  it('escapes what clients and backends say', () => {
    const cause = new Error('a "quoted"\nline')
    const error = new GatewayError('PROXY_DIAL_REFUSED', { cause })
    for (const path of ['/"},{"', '/\\', '/\u0000\u0007', '/\u2028é', '/\ud800']) {
      const line = requestLine({ ...answered, path, method: 'A"', error }, '', 5)
      expect(line.indexOf('\n')).toBe(line.length - 1)
      expect(JSON.parse(line)).toMatchObject({
        path,
        method: 'A"',
        code: 'PROXY_DIAL_REFUSED',
        cause: cause.message,
        time: 5,
      })
    }
  })
})
