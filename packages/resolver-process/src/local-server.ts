/** A backend on this machine that can be started and ended: a process, or a server inside of this one. */
export interface LocalServer {
  /**
   * Starts it, and settles with its `host:port` as soon as it may be dialled. Not called while it runs. When `signal` is
   * aborted, or it rejects, `stop` is called next.
   */
  start(signal: AbortSignal): Promise<string>
  /** Ends it; settles when nothing is left of it. It may be started again. */
  stop(): Promise<void>
  /** Ends it at once and synchronously, as this process exits. */
  kill(): void
  /** The resolver closes: gives back what outlives a stop, such as data. It is not started again. */
  dispose?(): Promise<void>
}

/** Makes the server. `gone` is to be called, with why, when it ended although nobody stopped it. */
export type MakeServer = (gone: (reason: string) => void) => LocalServer
