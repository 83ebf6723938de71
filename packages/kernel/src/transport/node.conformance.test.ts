import { silentListener, transportConformance } from '@proxy/testkit'
import { afterAll } from 'vitest'
import { nodeTransport } from './node.ts'

const silent = await silentListener()

afterAll(() => silent.close())

transportConformance({
  name: "Node's transport",
  transport: () => nodeTransport(),
  unanswered: () => ({ address: silent.address, pass: () => undefined }),
})
