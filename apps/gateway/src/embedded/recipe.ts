import type { ServerAccount } from './account.ts'

/** Where a server of the embedded default lives. */
export interface Place {
  readonly account: ServerAccount
  /** Belongs to the account, and goes with the server. */
  readonly directory: string
  /** On loopback. */
  readonly port: number
}

export interface CommandLine {
  readonly program: string
  readonly args: readonly string[]
}

/** How a server is made, started and ended. */
export interface Recipe {
  /** For messages. */
  readonly title: string
  /** Part of the name of its directory. */
  readonly slug: string
  /** Ends the server in order, clients or not. */
  readonly endSignal: NodeJS.Signals
  /** Ends it at once; its data goes too. */
  readonly abandonSignal: NodeJS.Signals
  /** In what it prints: connections are accepted. */
  readonly ready: string
  /** Makes the data in an empty directory; settles with what runs the server in the foreground. */
  prepare(place: Place): Promise<CommandLine>
  /** Puts in what only a running server takes, once. */
  fill?(place: Place): Promise<void>
}
