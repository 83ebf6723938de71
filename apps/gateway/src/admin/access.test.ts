import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { Access } from './access.ts'

const token = 'a-token-of-some-length'

const request = (headers: IncomingHttpHeaders): IncomingMessage => ({ headers }) as IncomingMessage

function access(address: string, options: { token?: string; hosts?: string[] } = { token }): Access {
  const made = new Access({ token: options.token, hosts: options.hosts ?? [] })
  made.boundTo({ host: address, port: 9901 })
  return made
}

describe('Access', () => {
  it.each(['127.0.0.1:9901', '[::1]:9901', '::1', 'localhost', 'LOCALHOST:9901', 'admin.localhost', '10.1.2.3'])(
    'answers under %s',
    (host) => {
      const known = host === '::1' ? '[::1]' : host
      expect(access('127.0.0.1').foreign(request({ host: known }))).toBe(undefined)
    },
  )

  it.each(['evil.example', '127.0.0.1.evil.example:9901', 'localhost.evil.example', 'a@127.0.0.1', '', undefined])(
    'does not answer under %s, which may have been bound to this address',
    (host) => {
      expect(access('127.0.0.1').foreign(request(host === undefined ? {} : { host }))?.status).toBe(403)
    },
  )

  it('answers under a name of the configuration, in any case', () => {
    const named = access('10.0.0.1', { token, hosts: ['Gateway.Example'] })
    expect(named.foreign(request({ host: 'gateway.EXAMPLE:9901' }))).toBe(undefined)
    expect(named.foreign(request({ host: 'other.example' }))?.hint).toContain('admin.hosts')
  })

  it.each<[string, IncomingHttpHeaders]>([
    ['a page of another origin', { origin: 'http://evil.example' }],
    ['a page of another port', { origin: 'http://127.0.0.1:8080' }],
    ['a page without an origin', { origin: 'null' }],
    ['a page of another site', { 'sec-fetch-site': 'cross-site' }],
    ['a page of the same site', { 'sec-fetch-site': 'same-site' }],
  ])('does not answer %s', (_name, headers) => {
    expect(access('127.0.0.1').foreign(request({ host: '127.0.0.1:9901', ...headers }))?.status).toBe(403)
  })

  it('answers its own page, and programs', () => {
    const own = { host: '127.0.0.1:9901', origin: 'http://127.0.0.1:9901', 'sec-fetch-site': 'same-origin' }
    expect(access('127.0.0.1').foreign(request(own))).toBe(undefined)
    expect(access('127.0.0.1').foreign(request({ host: '127.0.0.1:9901', 'sec-fetch-site': 'none' }))).toBe(undefined)
  })

  it.each(['127.0.0.1', '127.8.8.8', '::1', 'localhost'])('lets everybody on this machine read at %s', (address) => {
    expect(access(address).reading(request({}))).toBe(undefined)
    expect(access(address, {}).reading(request({}))).toBe(undefined)
  })

  it.each(['0.0.0.0', '::', '10.0.0.1', 'fe80::1'])('asks who reads at %s for the token', (address) => {
    expect(access(address).reading(request({}))?.status).toBe(401)
    expect(access(address).reading(request({ authorization: `Bearer ${token}` }))).toBe(undefined)
    expect(access(address, {}).reading(request({}))).toMatchObject({
      status: 403,
      hint: expect.stringContaining('ADMIN_TOKEN'),
    })
  })

  it('lets nobody act without a token of the configuration, on this machine neither', () => {
    const refusal = access('127.0.0.1', {}).operating(request({ authorization: `Bearer ${token}` }))
    expect(refusal).toMatchObject({ status: 403, hint: expect.stringContaining('admin.token') })
  })

  it.each([undefined, 'Bearer', 'Bearer ', `Basic ${token}`, `Bearer ${token}x`, `Bearer ${token.slice(1)}`, token])(
    'does not take %s for the token',
    (authorization) => {
      const headers = { ...(authorization !== undefined && { authorization }), cookie: `token=${token}` }
      expect(access('127.0.0.1').operating(request(headers))?.status).toBe(401)
    },
  )

  it('takes the token, whatever the case of its scheme', () => {
    expect(access('127.0.0.1').operating(request({ authorization: `bearer ${token}` }))).toBe(undefined)
    expect(access('127.0.0.1').view(request({ authorization: `Bearer ${token}` }))).toEqual({
      reads: 'open',
      token: 'right',
    })
  })
})
