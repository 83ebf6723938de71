import type { LayerContext } from '@proxy/kernel'
import { backend } from '@proxy/kernel'
import { expect, test } from 'vitest'
import { http } from '../src/index.ts'
import { gateway, nodeBackend } from './setting.ts'

test('a probe asks the backend for the path, in the name of the tenant', async () => {
  const asked: string[] = []
  let status = 503
  const port = await nodeBackend((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.host}`)
    response.writeHead(status).end('x'.repeat(1_000_000))
  })
  let context: LayerContext | undefined
  const prober = { name: 'prober', setup: (given: LayerContext) => void (context = given) }
  await gateway(port, { readyPath: '/healthz?deep=1' }, { layers: [prober] })
  const target = { backend: backend(`127.0.0.1:${port}`), key: 'alpha.example', listener: 'http', protocol: 'http' }
  const probe = (): Promise<void> => context!.probe(target, new AbortController().signal)
  await expect(probe()).rejects.toMatchObject({ code: 'PROXY_BACKEND_NOT_READY', retryable: true })
  status = 200
  await probe()
  status = 302
  await probe()
  status = 404
  await expect(probe()).rejects.toMatchObject({ code: 'PROXY_BACKEND_NOT_READY' })
  expect(asked).toEqual(Array(4).fill('GET /healthz?deep=1 alpha.example'))
})

test('without a path there is nothing to ask', () => {
  expect(http().ready).toBeUndefined()
})

test.each(['', 'healthz', '/a b', '/\r\nX: y'])('%j is no path', (readyPath) => {
  expect(() => http({ readyPath })).toThrowError(expect.objectContaining({ code: 'PROXY_CONFIG_INVALID' }))
})
