// Builds what `mysqlEngine` starts; part of the set-up of the tests.
import { buildGoProgram } from './go-program.ts'

await buildGoProgram('mysql')
