import { execFileSync } from 'node:child_process'
import type { ProcessUser } from '@proxy/resolver-process'

/** Whom programs run as that refuse to be root; undefined: the account of this process will do. */
export function serverUser(): ProcessUser | undefined {
  return process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : undefined
}

const idOf = (flag: string): number => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
