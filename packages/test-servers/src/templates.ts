import { chownSync, cpSync, existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { serverAccount } from './account.ts'

/** Where what took long to make is kept over runs. */
export function keptAs(name: string): string {
  return fileURLToPath(new URL(`../node_modules/.cache/${name}`, import.meta.url))
}

/** Keeps a copy of `made` as `kept`. Another process may do the same at this moment: whoever is first wins, and nobody sees half of it. */
export function keep(made: string, kept: string): void {
  const copy = `${kept}.${process.pid}`
  cpSync(made, copy, { recursive: true })
  try {
    renameSync(copy, kept)
  } catch (error) {
    rmSync(copy, { recursive: true, force: true })
    if (!existsSync(kept)) throw error
  }
}

/** Gives a directory and all in it to the account of the servers, where that is not our own. */
export function chownAll(directory: string): void {
  const account = serverAccount()
  if (account === undefined) return
  const chown = (path: string): void => chownSync(path, account.uid, account.gid)
  chown(directory)
  for (const entry of readdirSync(directory, { recursive: true, encoding: 'utf8' })) chown(join(directory, entry))
}
