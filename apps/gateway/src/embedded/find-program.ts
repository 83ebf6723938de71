import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

// Debian keeps servers where an ordinary user's PATH does not look.
const alsoIn: readonly string[] = ['/usr/local/sbin', '/usr/sbin', '/sbin']

/** Path of a program that is installed on this machine: on the PATH, or in one of `more`. */
export function findProgram(name: string, more: readonly string[] = alsoIn): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), ...more].filter((path) => path !== '')
  return directories.map((directory) => join(directory, name)).find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
