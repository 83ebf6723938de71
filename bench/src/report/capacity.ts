import type { Report } from './data.ts'
import { perCpuSecond, valueOf } from './figures.ts'

/** What was measured of one connection and one message, on one core. */
export interface Costs {
  readonly userKib: number
  readonly kernelKib: number
  /** CPU time in microseconds: of a new connection, of a message and its answer, of an idle connection in a second. */
  readonly connectionUs: number
  readonly exchangeUs: number
  readonly idleUs: number
}

/** The machine that the original was measured on, and what we would leave of it to others. */
export const target = { cores: 8, memoryGib: 32, reservedGib: 4, busy: 0.7 } as const

/** What the original states. */
export const original = { connections: 672_348, kibEach: 33, connectionsPerSecond: 18_067 } as const

export interface Capacity {
  readonly connections: number
  readonly connectionsPerSecond: number
  readonly exchangesPerSecond: number
  /** Of the original's number of connections: memory in GiB, and cores that look after them while they are idle. */
  readonly originalGib: number
  readonly originalCores: number
  /** Messages in a second that are left when they are held and the original's number comes anew each second. */
  readonly exchangesBeside: number
}

/** What a report says of one subject; undefined when something of it was not measured. */
export const costsOf = (report: Report, subject: string): Costs | undefined => {
  const user = valueOf('tcp', 'idle')(report, subject)
  // The kernel's part is the same on either transport: two sockets, two entries of epoll sets.
  const kernel = valueOf('tcp', 'idle-kernel')(report, 'gateway-epoll')
  const idle = valueOf('tcp', 'idle-cpu')(report, subject)
  const rate = perCpuSecond('tcp', 'rate')(report, subject)
  const exchange = perCpuSecond('tcp', 'rr-64')(report, subject)
  if (user === undefined || kernel === undefined || idle === undefined) return undefined
  if (rate === undefined || exchange === undefined) return undefined
  return {
    userKib: user.median,
    kernelKib: kernel.median,
    connectionUs: 1e6 / rate.median,
    exchangeUs: 1e6 / exchange.median,
    idleUs: Math.max(0, idle.median),
  }
}

const usableKib = (target.memoryGib - target.reservedGib) * 2 ** 20
const usableUs = target.cores * target.busy * 1e6

/** `queuedKib` waits in socket buffers for the average connection. */
export const capacityOf = (costs: Costs, queuedKib = 0): Capacity => {
  const each = costs.userKib + costs.kernelKib + queuedKib
  const idleUs = original.connections * costs.idleUs
  const rest = usableUs - idleUs - original.connectionsPerSecond * costs.connectionUs
  return {
    connections: usableKib / each,
    connectionsPerSecond: usableUs / costs.connectionUs,
    exchangesPerSecond: usableUs / costs.exchangeUs,
    originalGib: (original.connections * each) / 2 ** 20,
    originalCores: idleUs / 1e6,
    exchangesBeside: Math.max(0, rest / costs.exchangeUs),
  }
}
