// Checks the dependency graph against the rules of dependency-rules.ts: `npm run deps:check`.
import { readFileSync } from 'node:fs'
import { manifestViolations, violation } from './dependency-rules.ts'
import { importsOf } from './imports.ts'
import { files, type Member, members, readManifest, root } from './workspace.ts'

const hoisted = readManifest('.')
const tools: Member = { folder: 'tools', manifest: { ...hoisted, private: true } }

function problemsIn(member: Member, path: string): string[] {
  return importsOf(path, readFileSync(root + path, 'utf8')).flatMap((found) => {
    const problem = violation(path, found, member, hoisted)
    return problem ? [`${path}:${found.line}: '${found.specifier}': ${problem}`] : []
  })
}

const problems = [...members(), tools].flatMap((member) => [
  ...manifestViolations(member).map((problem) => `${member.folder}/package.json: ${problem}`),
  ...files(member.folder)
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) => problemsIn(member, path)),
])
for (const problem of problems) console.error(problem)
console.log(
  problems.length === 0 ? 'The dependency graph is as it should be.' : `${problems.length} forbidden imports.`,
)
process.exitCode = problems.length === 0 ? 0 : 1
