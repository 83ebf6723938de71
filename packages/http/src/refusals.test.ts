import { errorCodes, type ErrorCode, GatewayError } from '@proxy/kernel'
import { describe, expect, it } from 'vitest'
import { grpcStatusOf, refusalMessage, refusalOf } from './refusals.ts'

const secret = new Error('connect ECONNREFUSED 10.1.2.3:8080')

describe('a refusal', () => {
  it.each(Object.keys(errorCodes) as ErrorCode[])('of %s is a whole message without internal names', (code) => {
    for (const accept of ['', 'text/plain']) {
      const error = new GatewayError(code, { cause: secret })
      const message = refusalMessage(refusalOf(error, accept), 'Connection: close\r\n', false)
      const [head = '', body = ''] = message.split('\r\n\r\n')
      expect(head).toMatch(/^HTTP\/1\.1 [45]\d\d [A-Z]/)
      expect(head).toContain(`Content-Length: ${Buffer.byteLength(body)}`)
      expect(message).not.toMatch(/10\.1\.2\.3|ECONN/)
    }
  })

  it('is a problem document unless the client asks for text', () => {
    const error = new GatewayError('PROXY_RESOLVE_NOT_FOUND', { hint: 'ask for alpha' })
    expect(JSON.parse(refusalOf(error, '*/*').body)).toMatchObject({
      status: 404,
      code: error.code,
      hint: 'ask for alpha',
    })
    expect(refusalOf(error, 'application/json, text/plain').contentType).toBe('application/problem+json')
    expect(refusalOf(error, 'text/html,*/*').body).toBe('404 Not Found: no such tenant\nask for alpha\n')
  })

  it('of 503 says when to come back', () => {
    const error = new GatewayError('PROXY_WAKE_TIMEOUT', { retryAfterMs: 4_200 })
    expect(refusalMessage(refusalOf(error, ''), '', false)).toContain('503 Service Unavailable')
    expect(refusalMessage(refusalOf(error, ''), '', false)).toContain('\r\nRetry-After: 5\r\n')
  })

  it('of HEAD has no body and still says how long it would be', () => {
    const message = refusalMessage(refusalOf(new GatewayError('PROXY_NO_KEY'), ''), '', true)
    expect(message.endsWith('\r\n\r\n')).toBe(true)
    expect(message).toMatch(/Content-Length: [1-9]/)
  })
})

describe('the gRPC status', () => {
  it.each([
    [404, 12],
    [429, 14],
    [502, 14],
    [503, 14],
    [504, 14],
    [401, 16],
    [403, 7],
    [400, 13],
    [500, 2],
  ])('of %i is %i', (status, code) => {
    expect(grpcStatusOf(status)).toBe(code)
  })
})
