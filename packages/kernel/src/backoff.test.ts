import { fakeClock, settle } from '@proxy/testkit'
import { describe, expect, it } from 'vitest'
import { Backoff } from './backoff.ts'
import type { Session } from './contracts.ts'
import { GatewayError } from './errors.ts'

function backoff(timeoutMs: number) {
  const clock = fakeClock()
  const controller = new AbortController()
  const session = { draining: false, signal: controller.signal }
  return { clock, controller, session, made: new Backoff(session as unknown as Session, clock, timeoutMs) }
}

describe('pauses between attempts', () => {
  it('double up to a second, and are spread over the upper half', async () => {
    const { clock, made } = backoff(60_000)
    const lengths: number[] = []
    for (let attempt = 0; attempt < 8; attempt++) {
      expect(made.pauses).toBe(attempt)
      expect(made.mayGoOn()).toBe(true)
      const began = clock.now()
      let over = false
      void made.pause().then(() => (over = true))
      while (!over) {
        clock.advance(1)
        await settle()
      }
      lengths.push(clock.now() - began)
    }
    for (const [attempt, ms] of lengths.entries()) {
      const most = Math.min(1_000, 50 * 2 ** attempt)
      expect(ms).toBeGreaterThanOrEqual(most / 2)
      expect(ms).toBeLessThanOrEqual(most + 1)
    }
  })

  it('end with the time, and with a drain', () => {
    const { clock, session, made } = backoff(100)
    expect(made.mayGoOn()).toBe(true)
    session.draining = true
    expect(made.mayGoOn()).toBe(false)
    session.draining = false
    clock.advance(80)
    expect(made.leftMs).toBe(20)
    expect(made.mayGoOn()).toBe(false)
  })

  it('are none without time', () => {
    expect(backoff(0).made.mayGoOn()).toBe(false)
  })

  it.each([
    ['PROXY_CLIENT_GONE', 'PROXY_CLIENT_GONE'],
    ['PROXY_PEEK_TIMEOUT', 'PROXY_BACKEND_TIMEOUT'],
  ] as const)('are broken off by %s', async (reason, code) => {
    const { clock, controller, made } = backoff(60_000)
    expect(made.mayGoOn()).toBe(true)
    const pause = made.pause()
    controller.abort(new GatewayError(reason))
    await expect(pause).rejects.toMatchObject({ code })
    clock.advance(60_000)
    await expect(made.pause()).rejects.toMatchObject({ code })
  })
})
