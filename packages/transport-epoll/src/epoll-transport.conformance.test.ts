import { streamRelay } from '@proxy/kernel'
import { relayConformance, silentListener, transportConformance } from '@proxy/testkit'
import { afterAll } from 'vitest'
import { strictTransport } from './__fixtures__/strict.ts'

const silent = await silentListener()

afterAll(() => silent.close())

transportConformance({
  name: 'the epoll transport',
  transport: strictTransport,
  unanswered: () => ({ address: silent.address, pass: () => undefined }),
})
transportConformance({ name: 'the epoll transport over IPv6', transport: strictTransport, host: '::1' })
relayConformance({
  name: 'the stream relay over the epoll transport',
  relay: () => streamRelay(),
  transport: strictTransport,
})
