import { accessSync, constants } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

// Debian keeps servers where an ordinary user's PATH does not look.
const alsoIn: readonly string[] = ['/usr/local/sbin', '/usr/sbin', '/sbin']

/** Path of a program that is installed on this machine. */
export const findProgram = (name: string): string | undefined => findPrograms(name, alsoIn)[0]

/** Paths of the programs of that name that are on the PATH, or in one of `more`. */
export function findPrograms(name: string, more: readonly string[]): string[] {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), ...more].filter(isAbsolute)
  return directories.map((directory) => join(directory, name)).filter(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
