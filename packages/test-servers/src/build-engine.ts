// Builds what `mysqlEngine` starts; part of the set-up of the tests. With names as arguments, those of `go/` instead.
import { buildGoProgram } from './go-program.ts'

const names = process.argv.slice(2)
for (const name of names.length === 0 ? ['mysql'] : names) await buildGoProgram(name)
