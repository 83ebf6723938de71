import { GatewayError, type SessionEndEvent } from '@proxy/kernel'
import { describe, expect, it } from 'vitest'
import { sessionRecord } from './access-record.ts'
import { sessionLine } from './session-line.ts'

const relayed: SessionEndEvent = {
  session: '0-1',
  listener: 'tcp',
  protocol: 'tcp',
  client: { host: '127.0.0.1', port: 5 },
  key: 'alpha',
  outcome: 'relayed',
  reason: 'client',
  error: undefined,
  tls: undefined,
  bytesFromClient: 64,
  bytesToClient: 0,
  durationMs: 3.714_159,
  timing: { clientMs: 1, resolveMs: 0.25, wakeMs: 0, dialMs: 2.000_4, firstByteMs: 0.5 },
}

const anonymous = { version: 'TLSv1.3', cipher: 'x', serverName: undefined, alpn: undefined, certificate: undefined }

const failed = (cause: unknown): SessionEndEvent['error'] => new GatewayError('PROXY_DIAL_REFUSED', { cause })

const events: Record<string, SessionEndEvent> = {
  'that was relayed': relayed,
  'that was never routed and heard nothing': {
    ...relayed,
    key: undefined,
    outcome: 'refused',
    timing: { ...relayed.timing, firstByteMs: undefined },
  },
  'that failed without a cause': { ...relayed, outcome: 'failed', reason: 'error', error: failed(undefined) },
  'that failed with a cause to be escaped': { ...relayed, error: failed(new Error('a "quoted"\nline')) },
  'that failed with a cause of any kind': { ...relayed, error: failed(7) },
  'with TLS without a name': { ...relayed, tls: anonymous },
  'with TLS and a name': { ...relayed, tls: { ...anonymous, serverName: 'alpha.example' } },
  'of names to be escaped': { ...relayed, listener: '"},{"', protocol: 'a\\b', key: '\u2028é\ud800\u0000' },
}

describe('sessionLine', () => {
  for (const [what, event] of Object.entries(events)) {
    it(`says of a session ${what} what its record says`, () => {
      const line = sessionLine(event, '"worker":3,', 5)
      const record = JSON.parse(JSON.stringify(sessionRecord(event))) as Record<string, unknown>
      expect(line.indexOf('\n')).toBe(line.length - 1)
      expect(Object.entries(JSON.parse(line) as object)).toEqual(
        Object.entries({ level: 30, time: 5, worker: 3, ...record, msg: 'session' }),
      )
    })
  }
})
