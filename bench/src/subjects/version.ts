import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'
import { searchPath } from '../processes.ts'

/** The first version number that a program prints; undefined when there is no such program. */
export const programVersion = (program: string, flag: string): string | undefined => {
  const { status, stdout, stderr } = spawnSync(program, [flag], {
    env: { ...process.env, PATH: searchPath },
    encoding: 'utf8',
  })
  return status === 0 ? /\d+\.\d+(\.\d+)?/.exec(stdout + stderr)?.[0] : undefined
}

/** The version of an installed npm package; undefined when it is not installed. */
export const packageVersion = (name: string): string | undefined => {
  try {
    const file = findPackageJSON(name, import.meta.url)
    return file === undefined ? undefined : (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
  } catch {
    return undefined
  }
}
