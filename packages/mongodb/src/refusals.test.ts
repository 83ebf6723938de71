import { type ErrorCode, errorCodes, GatewayError } from '@proxy/kernel'
import { describe, expect, test } from 'vitest'
import { documentOf, messagesOf } from './__fixtures__/streams.ts'
import { hiddenCommand, isBearable, refusal, type Request } from './refusals.ts'

const request: Request = { requestId: 7, opCode: 2013, label: undefined }
const silent: ErrorCode[] = ['PROXY_CLIENT_GONE', 'PROXY_TLS_HANDSHAKE', 'PROXY_PROXY_HEADER']
const codes = Object.keys(errorCodes) as ErrorCode[]
const of = (code: ErrorCode, more: Partial<Request> = {}) => refusal(new GatewayError(code), { ...request, ...more })!

describe('every code of the kernel', () => {
  test.each(codes.filter((code) => !silent.includes(code)))('%s', (code) => {
    for (const opCode of [2004, 2013]) {
      const bytes = of(code, { opCode })
      expect(messagesOf(bytes)).toHaveLength(1)
      expect(bytes.readInt32LE(8)).toBe(7)
      expect(bytes.readInt32LE(12)).toBe(opCode === 2004 ? 1 : 2013)
      const document = documentOf(bytes)
      expect(document).toMatchObject({ ok: 0, errmsg: errorCodes[code].message, codeName: expect.any(String) })
      expect(document['$err']).toBe(opCode === 2004 ? errorCodes[code].message : undefined)
    }
  })

  test.each(silent)('%s is not answered', (code) => {
    expect(of(code)).toBeUndefined()
  })
})

test.each<[ErrorCode, number, string]>([
  ['PROXY_RESOLVE_NOT_FOUND', 26, 'NamespaceNotFound'],
  ['PROXY_NO_KEY', 26, 'NamespaceNotFound'],
  ['PROXY_KEY_CONFLICT', 13, 'Unauthorized'],
  ['PROXY_RESOLVE_FORBIDDEN', 13, 'Unauthorized'],
  ['PROXY_DIAL_REFUSED', 6, 'HostUnreachable'],
  ['PROXY_DIAL_DNS', 7, 'HostNotFound'],
  ['PROXY_WAKE_TIMEOUT', 89, 'NetworkTimeout'],
  ['PROXY_DRAINING', 91, 'ShutdownInProgress'],
  ['PROXY_LIMIT_CONNECTIONS', 365, 'TemporarilyUnavailable'],
  ['PROXY_MALFORMED', 9, 'FailedToParse'],
])('%s is %i %s', (code, number, codeName) => {
  expect(documentOf(of(code))).toMatchObject({ code: number, codeName })
})

test('what may be tried again is labelled', () => {
  const label = 'RetryableWriteError'
  expect(documentOf(of('PROXY_WAKE_TIMEOUT', { label }))['errorLabels']).toEqual([label])
  expect(documentOf(of('PROXY_RESOLVE_NOT_FOUND', { label }))['errorLabels']).toBeUndefined()
  expect(documentOf(of('PROXY_WAKE_TIMEOUT'))['errorLabels']).toBeUndefined()
})

test('the hint follows the message', () => {
  const error = new GatewayError('PROXY_NO_KEY', { message: 'no key', hint: 'Use one.' })
  expect(documentOf(refusal(error, request)!)['errmsg']).toBe('no key. Use one.')
})

test('the code of a newer kernel is an internal error', () => {
  const error = Object.assign(new GatewayError('PROXY_INTERNAL'), { code: 'PROXY_NEW' as ErrorCode })
  expect(documentOf(refusal(error, request)!)['code']).toBe(1)
})

test('commands about the servers behind are not supported', () => {
  expect(documentOf(hiddenCommand(request))).toMatchObject({ ok: 0, code: 115, codeName: 'CommandNotSupported' })
})

test('connections end with errors of the connection, and live on with those of a tenant', () => {
  const bearable = codes.filter((code) => isBearable(new GatewayError(code)))
  expect(bearable).toContain('PROXY_RESOLVE_NOT_FOUND')
  expect(bearable).toContain('PROXY_DIAL_REFUSED')
  for (const code of ['PROXY_MALFORMED', 'PROXY_DRAINING', 'PROXY_INTERNAL', 'PROXY_PEEK_OVERFLOW']) {
    expect(bearable).not.toContain(code)
  }
})
