import { chownSync, constants, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { ServerAccount } from './account.ts'

/** A temporary directory that belongs to the account; removed by {@link removeDirectory}. */
export function makeDirectory(slug: string, account: ServerAccount): string {
  const directory = mkdtempSync(join(realpathSync(tmpdir()), `gateway-${slug}-`))
  giveTo(account, directory)
  return directory
}

/** Makes the account the owner of a path. */
export function giveTo({ owner }: ServerAccount, path: string): void {
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid)
}

export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
}

/** Whether every account can reach the file. */
export function openToAll(file: string): boolean {
  for (let path = dirname(realpathSync(file)); path !== dirname(path); path = dirname(path)) {
    if ((statSync(path).mode & constants.S_IXOTH) === 0) return false
  }
  return true
}
