// Builds what reads the files of `deploy/`: a step of CI, once for each version. It takes some minutes.
import { buildGoProgram } from './go-program.ts'

for (const name of ['compose', 'helm', 'kubectl-validate']) await buildGoProgram(name)
