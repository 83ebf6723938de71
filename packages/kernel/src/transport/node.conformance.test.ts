import { silentListener, transportConformance } from '@proxy/testkit'
import { afterAll } from 'vitest'
import { nodeTransport, socketTransport } from './node.ts'

const silent = await silentListener()

afterAll(() => silent.close())

transportConformance({
  name: "Node's transport",
  transport: () => nodeTransport(),
  unanswered: () => ({ address: silent.address, pass: () => undefined }),
})

transportConformance({ name: "Node's transport over IPv6", transport: () => nodeTransport(), host: '::1' })
transportConformance({
  name: "Node's transport without handles",
  transport: () => socketTransport(),
  unanswered: () => ({ address: silent.address, pass: () => undefined }),
})
