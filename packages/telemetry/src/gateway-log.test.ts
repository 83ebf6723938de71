import { GatewayError, Hooks, type HookMap } from '@proxy/kernel'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { gatewayLog } from './gateway-log.ts'

function logged(level: string): { hooks: Hooks; lines: Record<string, unknown>[]; dispose: () => void } {
  const lines: Record<string, unknown>[] = []
  const logger = pino({ level }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const hooks = new Hooks()
  const dispose = gatewayLog(logger).setup?.({ hooks } as never)
  return { hooks, lines, dispose: () => dispose?.() }
}

const ended: HookMap['session:end'] = {
  session: 's1',
  listener: 'postgres',
  protocol: 'postgres',
  client: { host: '::1', port: 5 },
  key: 'alpha',
  outcome: 'failed',
  reason: 'error',
  error: new GatewayError('PROXY_DIAL_REFUSED', { cause: new Error('connect ECONNREFUSED 10.0.0.1:5432') }),
  tls: undefined,
  bytesFromClient: 1,
  bytesToClient: 2,
  durationMs: 3.7,
  timing: { clientMs: 1, resolveMs: 1, wakeMs: 0, dialMs: 1, firstByteMs: undefined },
}

describe('gatewayLog', () => {
  it('writes one line for a session at debug', () => {
    const { hooks, lines } = logged('debug')
    hooks.emit('session:end', ended)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatchObject({
      level: 20,
      session: 's1',
      listener: 'postgres',
      client: '[::1]:5',
      key: 'alpha',
      outcome: 'failed',
      code: 'PROXY_DIAL_REFUSED',
      origin: 'backend',
      cause: 'connect ECONNREFUSED 10.0.0.1:5432',
      ms: 3.7,
    })
  })

  it('does not even listen to sessions above debug', () => {
    expect(logged('info').hooks.has('session:end')).toBe(false)
  })

  it('writes internal errors at error', () => {
    const { hooks, lines } = logged('info')
    hooks.emit('gateway:error', { source: 'accept', error: new Error('EMFILE') })
    expect(lines[0]).toMatchObject({ level: 50, source: 'accept', err: { message: 'EMFILE' } })
  })

  it('writes a line once while the layers of an older configuration live', () => {
    const { hooks, lines, dispose } = logged('debug')
    const later: string[] = []
    const logger = pino({ level: 'debug' }, { write: (line: string) => void later.push(line) })
    const disposeLater = gatewayLog(logger).setup?.({ hooks } as never) as () => void
    hooks.emit('session:end', ended)
    expect([lines.length, later.length]).toEqual([0, 1])
    disposeLater()
    disposeLater()
    hooks.emit('session:end', ended)
    expect([lines.length, later.length]).toEqual([1, 1])
    dispose()
    expect(hooks.has('session:end')).toBe(false)
  })

  it('is silent when undone', () => {
    const { hooks, dispose } = logged('debug')
    dispose()
    expect([hooks.has('session:end'), hooks.has('gateway:error')]).toEqual([false, false])
  })
})
