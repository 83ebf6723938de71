/** One HTTP request was answered, by its backend or by the gateway. Sizes are of messages, heads included. */
export interface RequestEndEvent {
  readonly session: string
  readonly listener: string
  /** Lower-cased host without port; '' when the request named none. */
  readonly key: string
  readonly method: string
  /** 0: the client left before there was one. */
  readonly status: number
  readonly version: '1.0' | '1.1' | '2'
  readonly durationMs: number
  readonly bytesFromClient: number
  readonly bytesToClient: number
}

declare module '@proxy/kernel' {
  interface HookMap {
    /** Emitted by `@proxy/http` for every request. */
    'request:end': RequestEndEvent
  }
}
