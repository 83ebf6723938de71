import { transportUnderTest } from '@proxy/test-servers/transport'
import { memoryTransport, relayConformance } from '@proxy/testkit'
import { nodeTransport } from '../transport/node.ts'
import { streamRelay } from './stream.ts'

relayConformance({ name: 'the stream relay over memory', relay: () => streamRelay() })
relayConformance({
  name: 'the stream relay over memory, in small pieces',
  relay: () => streamRelay(),
  transport: () => {
    const transport = memoryTransport({ windowBytes: 8_192 })
    transport.split((offset) => (offset < 512 ? 1 : 3_001))
    return transport
  },
})
relayConformance({
  name: 'the stream relay over sockets',
  relay: () => streamRelay(),
  transport: () => transportUnderTest() ?? nodeTransport(),
})
