import { type Command, type ProcessUser, runCommand } from '@proxy/resolver-process'

/** Where a server of the embedded default lives. */
export interface Place {
  /** Whom it runs as; undefined: as this process does. */
  readonly user: ProcessUser | undefined
  /** Belongs to the user, and goes with the server. */
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

/** What a program leaves lying about goes with the rest, and its user may write there. */
export const commandIn = ({ user, directory }: Place, { program, args }: CommandLine): Command => ({
  command: program,
  args,
  user,
  cwd: '/',
  env: { LC_ALL: 'C', TMPDIR: directory },
})

/** Runs a program to its end; rejects with what it printed unless it ends well. */
export const runProgram = (place: Place, line: CommandLine, input?: string): Promise<string> =>
  runCommand(commandIn(place, line), input)
