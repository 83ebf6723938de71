import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, isAbsolute, join, resolve } from 'node:path'
import type { ProcessUser } from './options.ts'

/** A program to run, as in a `ProcessSpec`. */
export interface Command {
  readonly command: string
  readonly args?: readonly string[] | undefined
  readonly cwd?: string | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly user?: ProcessUser | undefined
}

/**
 * Program and arguments to spawn. On Linux with `setpriv` (util-linux), the system sends the process `farewell` when this one
 * ends, whatever ends it, SIGKILL included.
 */
export function commandLine(line: Command, farewell: NodeJS.Signals): [string, string[]] {
  const program = found(line)
  const args = [...(line.args ?? [])]
  if (!hasSetpriv()) {
    if (line.user !== undefined) throw new Error('another user needs Linux and setpriv')
    return [program, args]
  }
  return ['setpriv', [...identity(line.user), `--pdeathsig=${farewell.slice('SIG'.length)}`, '--', program, ...args]]
}

const identity = (user: ProcessUser | undefined): string[] =>
  user === undefined ? [] : [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups']

/** Said here, as behind `setpriv` a program that is not there looks like one that failed. */
function found({ command, cwd = process.cwd(), env }: Command): string {
  const path = env?.['PATH'] ?? process.env['PATH'] ?? ''
  const candidates = command.includes('/')
    ? [resolve(cwd, command)]
    : path
        .split(delimiter)
        .filter(isAbsolute)
        .map((directory) => join(directory, command))
  const program = candidates.find(isExecutable)
  if (program === undefined) throw new Error(`there is no program ${command}`)
  return program
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

let setpriv: boolean | undefined

function hasSetpriv(): boolean {
  setpriv ??= process.platform === 'linux' && runs('setpriv')
  return setpriv
}

function runs(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
