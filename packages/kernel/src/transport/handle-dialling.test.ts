import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { nodeTransport } from './node.ts'

it('begins no dial whose signal was aborted while it was held', async () => {
  const server = createServer(() => expect.unreachable())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const controller = new AbortController()
  const dial = () => nodeTransport().connect({ host: '127.0.0.1', port, timeoutMs: 1_000 }, controller.signal)
  const dials = [dial(), dial()]
  controller.abort(new Error('enough'))
  for (const result of await Promise.allSettled(dials)) expect(result.status).toBe('rejected')
})
