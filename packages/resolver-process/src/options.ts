import type { ResolutionRecord, RouteRequest } from '@proxy/kernel'
import type { MakeServer } from './local-server.ts'

/** What a resolution says beside where the backend is. */
export type ResolutionFacts = Pick<ResolutionRecord, 'metadata' | 'timeoutMs' | 'tls' | 'proxyProtocol'>

/** An account of this machine. */
export interface ProcessUser {
  readonly uid: number
  readonly gid: number
}

/** When a process that was started may be dialled. */
export type ProcessReady = 'started' | 'listening' | { readonly output: string }

/** A backend that is a process. */
export interface ProcessSpec extends ResolutionFacts {
  /** A program: a path, or a name that is looked up in PATH. No shell reads it. */
  readonly command: string
  /** `{port}` in them stands for the port that it is to listen on. */
  readonly args?: readonly string[] | undefined
  /** Working directory. Default: that of the gateway. */
  readonly cwd?: string | undefined
  /** Added to the environment of the gateway. `{port}` stands for the port here, too. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Account to run under; the gateway must be root then. Default: that of the gateway. */
  readonly user?: ProcessUser | undefined
  /** `host:port` where it listens. Default: 127.0.0.1 and a port that is free, another one at each start. */
  readonly endpoint?: string | undefined
  /**
   * `listening`: it takes connections. `{ output }`: it has printed this text. `started`: it runs, and the gateway's cold start
   * finds out by asking it in its own protocol when it serves. Default `started`.
   */
  readonly ready?: ProcessReady | undefined
  /** A start that takes longer has failed. Default 60,000 ms. */
  readonly startTimeoutMs?: number | undefined
  /** Asks the process to end; its children are killed behind it. Default `SIGTERM`. */
  readonly stopSignal?: NodeJS.Signals | undefined
  /** Time to end by itself; then it is killed. Default 10,000 ms. */
  readonly stopTimeoutMs?: number | undefined
}

/** A backend that is no process: whatever `server` makes. */
export interface ServerSpec extends ResolutionFacts {
  /** Called once, before the first start. */
  readonly server: MakeServer
  /** `host:port` where it will listen. */
  readonly endpoint: string
  /** A start that takes longer has failed. Default 60,000 ms. */
  readonly startTimeoutMs?: number | undefined
}

/** How a backend is started and ended. */
export type BackendSpec = ProcessSpec | ServerSpec

/** Options of `processResolver()`. */
export interface ProcessResolverOptions {
  /**
   * The backends by name, or a function that knows them, and says the same of a name every time: undefined = there is none.
   */
  readonly backends: Readonly<Record<string, BackendSpec>> | ((name: string) => BackendSpec | undefined)
  /** Name of the backend that a request is for; undefined = none. Default: its key. */
  readonly nameOf?: ((request: RouteRequest) => string | undefined) | undefined
  /** Gets every line that a process prints. Default: they are dropped. */
  readonly onOutput?: ((backend: string, line: string) => void) | undefined
  /** A backend ended although nobody stopped it. It is started again by the next connection. */
  readonly onExit?: ((backend: string, reason: string) => void) | undefined
}
