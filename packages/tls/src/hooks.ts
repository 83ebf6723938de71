/** Certificate files changed and are now in use. A bad file is a `gateway:error` of source `tls:reload` instead. */
export interface TlsReloadEvent {
  /** How many certificates the listener has. */
  readonly certificates: number
  /** How many of them are other than before. */
  readonly changed: number
}

declare module '@proxy/kernel' {
  interface HookMap {
    'tls:reload': TlsReloadEvent
  }
}
