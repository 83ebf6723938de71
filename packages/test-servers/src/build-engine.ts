// Builds what `mysqlEngine` starts, and h2spec; part of the set-up of the tests. With names as arguments, those of `go/` instead.
import { buildGoProgram } from './go-program.ts'

const names = process.argv.slice(2)
for (const name of names.length === 0 ? ['mysql', 'h2spec'] : names) await buildGoProgram(name)
