import { expect, test } from 'vitest'
import { nodeTransport } from './node.ts'

test("a descriptor that would not stay the caller's is refused", async () => {
  const acceptor = { onLink: () => undefined, onError: () => undefined }
  const listening = nodeTransport().listen({ host: '127.0.0.1', port: 0, fd: 3 }, acceptor)
  await expect(listening).rejects.toThrow('listens on no descriptor')
})
