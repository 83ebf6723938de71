import { type ChildProcess, spawn } from 'node:child_process'
import type { CommandLine, Place } from './recipe.ts'

// Of what a program prints, as much as an error message needs.
const keptOutput = 4_096

/** Starts a program in a process group of its own: Ctrl-C is for the gateway, which ends its programs in order. */
export function spawnProgram(place: Place, line: CommandLine, farewell: NodeJS.Signals): ChildProcess {
  const [command, words] = place.account.command(line.program, line.args, farewell)
  // What it leaves lying about goes with the rest, and its account may write there.
  const env = { ...process.env, LC_ALL: 'C', TMPDIR: place.directory }
  return spawn(command, words, { cwd: '/', detached: true, stdio: 'pipe', env })
}

/** Runs a program to its end; rejects with what it printed unless it ends well. */
export async function runProgram(place: Place, line: CommandLine, input = ''): Promise<string> {
  const child = spawnProgram(place, line, 'SIGKILL')
  const output = collectOutput(child)
  child.stdin?.on('error', () => undefined).end(input)
  const code = await exitOf(child)
  if (code !== 0) throw new Error(`${line.program} failed: ${output()}`)
  return output()
}

/** The last part of what the child printed, at any time. */
export function collectOutput(child: ChildProcess): () => string {
  let text = ''
  const add = (more: string): void => {
    text = (text + more).slice(-keptOutput)
  }
  child.stdout?.setEncoding('utf8').on('data', add)
  child.stderr?.setEncoding('utf8').on('data', add)
  return () => text
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
}
