// Runs a command in the folder of every published package: node tools/each-published.ts publint --strict
import { spawnSync } from 'node:child_process'
import { published, root } from './workspace.ts'

const [command, ...args] = process.argv.slice(2)
if (command === undefined) throw new Error('usage: node tools/each-published.ts <command> [argument ...]')
const failed = published().filter(({ folder, manifest }) => {
  console.log(`\n> ${manifest.name}`)
  return spawnSync(command, args, { cwd: root + folder, stdio: 'inherit' }).status !== 0
})
if (failed.length > 0) console.error(`\nFailed: ${failed.map(({ manifest }) => manifest.name).join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1
