import { transportUnderTest } from '@proxy/test-servers/transport'
import { memoryTransport, relayConformance } from '@proxy/testkit'
import type { RelayFilter } from './filtered.ts'
import { filteredRelay } from './filtered.ts'
import { nodeTransport } from '../transport/node.ts'

/** Hands everything on itself. */
const handsOn: RelayFilter = {
  fromClient: (bytes, port) => port.toBackend(bytes),
  fromBackend: (bytes, port) => port.toClient(bytes),
}

/** Makes up its mind later. */
const handsOnLater: RelayFilter = {
  async fromClient(bytes, port) {
    const copy = Buffer.from(bytes)
    await Promise.resolve()
    port.toBackend(copy)
  },
}

relayConformance({ name: 'the filtered relay without a filter', relay: () => filteredRelay({}) })
relayConformance({ name: 'the filtered relay that hands everything on', relay: () => filteredRelay(handsOn) })
relayConformance({
  name: 'the filtered relay that hands everything on later, in small pieces',
  relay: () => filteredRelay(handsOnLater),
  transport: () => {
    const transport = memoryTransport({ windowBytes: 8_192 })
    transport.split((offset) => (offset < 512 ? 1 : 3_001))
    return transport
  },
})
relayConformance({
  name: 'the filtered relay over sockets',
  relay: () => filteredRelay(handsOnLater),
  transport: () => transportUnderTest() ?? nodeTransport(),
})
