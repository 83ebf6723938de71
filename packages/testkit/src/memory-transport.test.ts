import { fakeClock } from './clock.ts'
import { memoryTransport } from './memory-transport.ts'
import { transportConformance } from './transport/conformance.ts'

const clock = fakeClock()

transportConformance({
  name: 'the memory transport',
  transport: () => memoryTransport({ clock }),
  unanswered: (transport) => {
    ;(transport as ReturnType<typeof memoryTransport>).fault('10.0.0.9:1', { blackhole: true })
    return { address: { host: '10.0.0.9', port: 1 }, pass: (ms) => clock.advance(ms) }
  },
})
transportConformance({
  name: 'the memory transport, byte by byte',
  transport: () => {
    const transport = memoryTransport({ windowBytes: 4_096 })
    transport.split((offset) => (offset < 2_000 ? 1 : 10_000))
    return transport
  },
})
