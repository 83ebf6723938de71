import { chownSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Account } from './account.ts'
import { hasEnded, whenEnding } from './ending.ts'

const live = new Map<string, () => void>()
let swept = false

/** A new, empty directory; removed by {@link removeDirectory}, or when this process ends. */
export function temporaryDirectory(purpose: string, owner?: Account): string {
  const root = realpathSync(tmpdir())
  if (!swept) sweep(root)
  swept = true
  const directory = mkdtempSync(join(root, `proxy-${purpose}-${process.pid}-`))
  live.set(
    directory,
    whenEnding(() => remove(directory)),
  )
  if (owner !== undefined) chownSync(directory, owner.uid, owner.gid)
  return directory
}

export function removeDirectory(directory: string): void {
  live.get(directory)?.()
  live.delete(directory)
  remove(directory)
}

/** A test runner that kills its workers leaves their directories to the next one. */
function sweep(root: string): void {
  for (const name of readdirSync(root)) {
    const pid = /^proxy-[a-z-]+-(\d+)-\w{6}$/.exec(name)?.[1]
    if (pid !== undefined && hasEnded(Number(pid))) tryToRemove(join(root, name))
  }
}

function tryToRemove(directory: string): void {
  try {
    remove(directory)
  } catch {
    // Another process sweeps too, or it belongs to another user.
  }
}

const remove = (directory: string): void => rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
