import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { removeDirectory, temporaryDirectory } from './directories.ts'

test('what a killed process left is removed by the next one, what a living one has is not', () => {
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  const left = join(tmpdir(), `proxy-sweep-${pid}-abcdef`)
  const used = join(tmpdir(), `proxy-sweep-${process.ppid}-abcdef`)
  for (const directory of [left, used]) {
    mkdirSync(directory)
    writeFileSync(join(directory, 'file'), '')
  }
  const own = temporaryDirectory('sweep')
  expect([left, used, own].map((directory) => existsSync(directory))).toEqual([false, true, true])
  removeDirectory(own)
  expect(existsSync(own)).toBe(false)
  rmSync(used, { recursive: true })
})
