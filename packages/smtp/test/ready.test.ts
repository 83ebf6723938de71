import { backend, type LayerContext, type ListenerOptions } from '@proxy/kernel'
import { describeNeeding, postfixServer } from '@proxy/test-servers'
import { tls } from '@proxy/tls'
import { expect, test } from 'vitest'
import { scripted, usual } from './scripted.ts'
import { openGateway } from './setup.ts'

/** Probes as a layer does, through a gateway that nobody else uses. */
async function prober(endpoint: string, listener: Partial<ListenerOptions> = {}) {
  let context: LayerContext | undefined
  const layer = { name: 'prober', setup: (given: LayerContext) => void (context = given) }
  const gateway = await openGateway(() => endpoint, { layers: [layer], listener })
  const target = { backend: backend(endpoint), key: 'alpha', listener: 'smtp', protocol: 'smtp' }
  return {
    probe: () => context!.probe(target, new AbortController().signal),
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  }
}

test('a probe says goodbye', async () => {
  await using server = await scripted(usual)
  await using gateway = await prober(server.endpoint)
  await gateway.probe()
  expect(server.lines).toEqual(['QUIT'])
})

test.each(['421 4.3.2 try later\r\n', '554 5.3.2 no mail here\r\n'])('a greeting %j is not ready', async (greeting) => {
  await using server = await scripted(usual, () => greeting)
  await using gateway = await prober(server.endpoint)
  await expect(gateway.probe()).rejects.toMatchObject({ code: 'PROXY_BACKEND_NOT_READY', retryable: true })
})

test('of a server whose TLS is passed through it is enough that it takes connections', async () => {
  await using server = await scripted(
    () => undefined,
    () => '',
  )
  await using gateway = await prober(server.endpoint, { tls: tls({ mode: 'passthrough' }) })
  await gateway.probe()
  expect(server.lines).toEqual([])
})

describeNeeding(['postfix'], 'Postfix', () => {
  test('is ready when it serves, and refuses when it is down', async () => {
    const server = await postfixServer()
    await using gateway = await prober(server.endpoint)
    await gateway.probe()
    await server.stop()
    await expect(gateway.probe()).rejects.toMatchObject({ code: 'PROXY_DIAL_REFUSED' })
  })
})
