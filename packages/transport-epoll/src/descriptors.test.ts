import { readdirSync } from 'node:fs'
import type { Link, LinkHandler } from '@proxy/kernel'
import { settle, until } from '@proxy/testkit'
import { expect, test } from 'vitest'
import { strictTransport } from './__fixtures__/strict.ts'

const connections = Number(process.env['PROXY_TEST_CONNECTIONS'] ?? 20_000)

/** The link to the descriptor of the directory itself is one of them, each time. */
const descriptors = (): number => readdirSync('/proc/self/fd').length

/** Ways in which connections end. */
const endings: readonly ((near: Link) => void)[] = [
  (near) => near.destroy(),
  (near) => near.destroy(true),
  (near) => near.end(),
  (near) => {
    near.write('last words')
    near.end()
  },
]

class Echo implements LinkHandler {
  open = 0

  onData(link: Link, bytes: Buffer): void {
    link.write(bytes)
  }

  onDrain(): void {}

  onEnd(link: Link): void {
    link.end()
  }

  onClose(): void {
    this.open--
  }
}

test(`${connections} connections leave no descriptor behind`, async () => {
  const transport = strictTransport()
  const echo = new Echo()
  const take = (link: Link): void => {
    echo.open++
    link.attach(echo)
    link.resume()
  }
  const acceptor = { onLink: take, onError: (error: Error) => expect.fail(String(error)) }
  const binding = await transport.listen({ host: '127.0.0.1', port: 0 }, acceptor)
  await settle()
  const before = descriptors()
  const never = new AbortController().signal
  for (let count = 0; count < connections; count += 100) {
    const dials = Array.from({ length: 100 }, () => transport.connect({ ...binding.address, timeoutMs: 4_000 }, never))
    for (const [index, link] of (await Promise.all(dials)).entries()) {
      take(link)
      endings[(count / 100 + index) % endings.length]?.(link)
    }
    await until(() => echo.open === 0, 'every link to close')
  }
  await settle()
  expect(descriptors()).toBe(before)
  await binding.close()
}, 600_000)
