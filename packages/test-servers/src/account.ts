import { execFileSync } from 'node:child_process'

export interface Account {
  readonly uid: number
  readonly gid: number
}

let nobody: Account | undefined

/** The account for servers that refuse to run as root: `nobody` when this process is root, else undefined (its own). */
export function serverAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined
  nobody ??= { uid: idOf('-u'), gid: idOf('-g') }
  return nobody
}

const idOf = (flag: string): number => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
