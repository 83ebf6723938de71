import { type ChildProcess, spawn } from 'node:child_process'
import type { ServerAccount } from './account.ts'
import type { CommandLine } from './recipe.ts'

// Of what a program prints, as much as an error message needs.
const keptOutput = 4_096

/** Starts a program in a process group of its own: Ctrl-C is for the gateway, which ends its programs in order. */
export function spawnProgram(account: ServerAccount, line: CommandLine, farewell: NodeJS.Signals): ChildProcess {
  const [command, words] = account.command(line.program, line.args, farewell)
  return spawn(command, words, { cwd: '/', detached: true, stdio: 'pipe', env: { ...process.env, LC_ALL: 'C' } })
}

/** Runs a program to its end; rejects with what it printed unless it ends well. */
export async function runProgram(account: ServerAccount, line: CommandLine, input = ''): Promise<string> {
  const child = spawnProgram(account, line, 'SIGKILL')
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
