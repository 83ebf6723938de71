import type { LocalServer } from '../local-server.ts'

/** A server whose start and stop are settled by hand. */
export class FakeServer implements LocalServer {
  starts: PromiseWithResolvers<string>[] = []
  stops: PromiseWithResolvers<void>[] = []
  disposed = 0

  start(signal: AbortSignal): Promise<string> {
    const start = Promise.withResolvers<string>()
    this.starts.push(start)
    signal.addEventListener('abort', () => start.reject(signal.reason as Error))
    return start.promise
  }

  stop(): Promise<void> {
    const stop = Promise.withResolvers<void>()
    this.stops.push(stop)
    return stop.promise
  }

  kill(): void {}

  dispose(): Promise<void> {
    this.disposed++
    return Promise.resolve()
  }
}
