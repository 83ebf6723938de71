import { env } from 'node:process'
import type { Transport } from '@proxy/kernel'
import { epollTransport } from '@proxy/transport-epoll'

/** What the gateways of the tests have for a transport. */
export type TestTransport = 'node' | 'epoll'

/** `PROXY_TEST_TRANSPORT`, by default `node`. Throws for any other name. */
export function testTransport(): TestTransport {
  const name = env['PROXY_TEST_TRANSPORT'] ?? 'node'
  if (name !== 'node' && name !== 'epoll') throw new Error(`PROXY_TEST_TRANSPORT is ${name}: say node or epoll`)
  return name
}

/**
 * The transport for a gateway of the tests, as {@link testTransport} says; undefined is the kernel's default. Throws where
 * epoll cannot be had: over Node's sockets the run would show nothing.
 */
export function transportUnderTest(): Transport | undefined {
  return testTransport() === 'node' ? undefined : strictEpoll()
}

/** Epoll, whatever is under test. Throws where it cannot be had. */
export function strictEpoll(): Transport {
  return epollTransport({
    onFallback: (reason) => {
      throw new Error(`there is no epoll here: ${reason}`)
    },
  })
}

/** Why epoll cannot be had, or undefined. */
export function whyNoEpoll(): string | undefined {
  let why: string | undefined = undefined
  epollTransport({ onFallback: (reason) => void (why = reason) })
  return why
}
