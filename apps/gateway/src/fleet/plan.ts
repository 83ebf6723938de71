import type { ConfigSource } from '../config/source.ts'
import type { EmbeddedPlan } from '../embedded/plan.ts'
import type { Failure } from './failure.ts'
import type { TransportName } from './transport.ts'
import type { BoundListener } from './unit.ts'

/** What a worker process asks the primary for when it starts; survives JSON. */
export interface WorkerPlan {
  readonly source: ConfigSource
  readonly generation: number
  readonly cwd: string
  readonly embedded: EmbeddedPlan | undefined
  /** Of this machine in its cluster; undefined: it is alone. */
  readonly node: number | undefined
  readonly transport: TransportName
  /** base64 */
  readonly ticketKeys: string
}

/** Number of the worker among the workers, from 1; kept when it is started again. */
export const slotVariable = 'GATEWAY_WORKER'

/** What a worker says when it has opened, or could not. */
export type Opened = { readonly bound: readonly BoundListener[] } | { readonly failure: Failure }

/** A worker wants to listen. */
export interface SocketRequest {
  readonly pid: number
  /** Of the request, among those of the process. */
  readonly id: number
  /** IP literal. */
  readonly host: string
  readonly port: number
  /** Other instances may listen there too. */
  readonly reusePort: boolean
}

/** A worker listens on what it asked for by that number, or does so no longer. */
export type SocketUse = Pick<SocketRequest, 'pid' | 'id'>

/** Beside it goes a socket for the request that it names. */
export interface SocketMessage {
  readonly socket: number
  /** Number of the loan: nobody listens on that socket, which is to be listened on besides the request's own until it is recalled. */
  readonly loan?: number | undefined
}

/** `code`: of the system's error; undefined: the socket is on its way. */
export interface SocketAnswer {
  readonly code?: string | undefined
}

export const isSocketMessage = (message: unknown): message is SocketMessage =>
  typeof message === 'object' && message !== null && 'socket' in message

/** Topics between the primary process and its workers. */
export const topics = {
  plan: 'worker:plan',
  opened: 'worker:opened',
  snapshot: 'worker:snapshot',
  prepare: 'reload:prepare',
  commit: 'reload:commit',
  rollback: 'reload:rollback',
  settle: 'reload:settle',
  drain: 'worker:drain',
  stopped: 'worker:stopped',
  socket: 'worker:socket',
  listening: 'worker:listening',
  recall: 'worker:recall',
  release: 'worker:release',
} as const
