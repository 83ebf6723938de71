import { chownSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Account } from './account.ts'
import { whenEnding } from './ending.ts'

const live = new Map<string, () => void>()

/** A new, empty directory; removed by {@link removeDirectory}, or when this process ends. */
export function temporaryDirectory(purpose: string, owner?: Account): string {
  const directory = mkdtempSync(join(realpathSync(tmpdir()), `proxy-${purpose}-`))
  const remove = (): void => rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  live.set(directory, whenEnding(remove))
  if (owner !== undefined) chownSync(directory, owner.uid, owner.gid)
  return directory
}

export function removeDirectory(directory: string): void {
  live.get(directory)?.()
  live.delete(directory)
  rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
}
