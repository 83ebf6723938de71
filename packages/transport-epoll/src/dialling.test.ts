import type { Link } from '@proxy/kernel'
import { settle } from '@proxy/testkit'
import { expect, test } from 'vitest'
import { strictTransport } from './__fixtures__/strict.ts'

test('a dial that is aborted while its name is looked up connects to nobody', async () => {
  const transport = strictTransport()
  const links: Link[] = []
  const acceptor = { onLink: (link: Link) => void links.push(link), onError: () => undefined }
  const binding = await transport.listen({ host: '127.0.0.1', port: 0 }, acceptor)
  const abort = new AbortController()
  const dial = transport.connect({ host: 'localhost', port: binding.address.port, timeoutMs: 4_000 }, abort.signal)
  abort.abort()
  await expect(dial).rejects.toThrow()
  await settle()
  expect(links).toEqual([])
  await binding.close()
})
