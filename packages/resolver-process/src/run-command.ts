import { Child } from './child.ts'
import type { Command } from './command-line.ts'

/** Runs a program to its end and settles with the last part of what it printed; rejects with that unless it ends well. */
export async function runCommand(line: Command, input = ''): Promise<string> {
  const child = new Child(line, { farewell: 'SIGKILL', graceMs: 0, input })
  const ended = await child.ended
  if (!child.succeeded) throw new Error(`${ended}: ${child.output.text}`)
  return child.output.text
}
