import { chownSync, constants, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { ProcessUser } from '@proxy/resolver-process'

/** A temporary directory that belongs to the user; removed by {@link removeDirectory}. */
export function makeDirectory(slug: string, user: ProcessUser | undefined): string {
  const directory = mkdtempSync(join(realpathSync(tmpdir()), `gateway-${slug}-`))
  giveTo(user, directory)
  return directory
}

/** Makes the user the owner of a path. */
export function giveTo(user: ProcessUser | undefined, path: string): void {
  if (user !== undefined) chownSync(path, user.uid, user.gid)
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
