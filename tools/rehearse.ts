/**
 * What a user does with the published packages, done before they are: packed, installed in empty folders outside the
 * repository, run, type-checked, versioned and published to a registry of this machine. Needs a build.
 *
 *   node tools/rehearse.ts [piecemeal] [plugin] [types] [publish]
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { publishRehearsal } from './rehearse-publish.ts'
import { firstRefusal, start } from './rehearse-session.ts'
import { published, root } from './workspace.ts'

const scratch = mkdtempSync(join(tmpdir(), 'rehearsal-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

function run(cwd: string, command: string, ...args: string[]): string {
  const PATH = `${root}node_modules/.bin${delimiter}${process.env['PATH']}`
  const env = { ...process.env, PATH, CI: 'true' }
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8' })
  assert.equal(status, 0, `${command} ${args.join(' ')} failed:\n${stdout}\n${stderr}`)
  return stdout
}

function folder(name: string): string {
  const path = join(scratch, name)
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, 'package.json'), JSON.stringify({ name, private: true, type: 'module' }))
  return path
}

const tarballs = new Map<string, string>()

/** Paths of packed packages; `testkit` stands for `@proxy/testkit`. */
function packed(...names: string[]): string[] {
  return names.map((name) => {
    const known = tarballs.get(name)
    if (known !== undefined) return known
    const member = published().find(({ manifest }) => manifest.name === `@proxy/${name}`)
    assert.ok(member, `there is no package @proxy/${name}`)
    run(root + member.folder, 'pnpm', 'pack', '--pack-destination', join(scratch, 'tarballs', name))
    const [file] = readdirSync(join(scratch, 'tarballs', name))
    const path = join(scratch, 'tarballs', name, file ?? '')
    tarballs.set(name, path)
    return path
  })
}

const install = (cwd: string, ...what: string[]) =>
  run(cwd, 'npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', '--silent', ...what)

/** The README's script with kernel and postgres alone. */
async function piecemeal(): Promise<void> {
  const cwd = folder('piecemeal')
  install(cwd, ...packed('kernel', 'postgres'))
  assert.deepEqual(readdirSync(join(cwd, 'node_modules/@proxy')).toSorted(), ['kernel', 'postgres'])
  assert.deepEqual(
    readdirSync(join(cwd, 'node_modules')).filter((name) => !name.startsWith('.')),
    ['@proxy'],
  )
  const script = /```js\n\/\/ gateway\.mjs\n([^]*?)```/.exec(readFileSync(`${root}README.md`, 'utf8'))?.[1]
  assert.ok(script, 'the README holds no gateway.mjs')
  writeFileSync(join(cwd, 'gateway.mjs'), script)
  const gateway = await start(cwd, 'gateway.mjs')
  try {
    const refusal = await firstRefusal(6432, 'nobody')
    assert.match(refusal, /C3D000/, 'an unknown tenant must be told so')
  } finally {
    await gateway.stop()
  }
}

/** docs/tutorial/first-protocol.md, word for word. */
function plugin(): void {
  const cwd = folder('proxy-protocol-redis')
  const [kernel = '', testkit = ''] = packed('kernel', 'testkit')
  const { devDependencies = {} } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
    devDependencies?: Record<string, string>
  }
  assert.ok('vitest' in devDependencies)
  install(
    cwd,
    kernel,
    testkit,
    `vitest@${installed('vitest')}`,
    `typescript@${installed('typescript')}`,
    '@types/node@24',
  )
  const page = readFileSync(`${root}docs/tutorial/first-protocol.md`, 'utf8')
  for (const [, file = '', code = ''] of page.matchAll(/```ts file=(\S+)\n([^]*?)```/g)) {
    mkdirSync(dirname(join(cwd, file)), { recursive: true })
    writeFileSync(join(cwd, file), code)
  }
  run(cwd, 'npx', 'vitest', 'run')
  run(
    cwd,
    'npx',
    'tsc',
    ...compilerFlags,
    '--allowImportingTsExtensions',
    'src/redis.ts',
    'src/redis.test.ts',
    'gateway.ts',
  )
}

const installed = (name: string) =>
  (JSON.parse(readFileSync(`${root}node_modules/${name}/package.json`, 'utf8')) as { version: string }).version

const compilerFlags =
  '--noEmit --strict --target es2024 --module nodenext --moduleResolution nodenext --types node --ignoreConfig'.split(
    ' ',
  )

/** The declarations resolve and check, without skipLibCheck, under every TypeScript that users have. */
function types(): void {
  const names = published().map(({ manifest }) => manifest.name.replace('@proxy/', ''))
  for (const version of ['5.9', '6', '7']) {
    const cwd = folder(`types-${version}`)
    install(cwd, ...packed(...names), `typescript@${version}`, '@types/node@24', `vitest@${installed('vitest')}`)
    const imports = published().flatMap(({ manifest }) =>
      Object.entries(manifest.exports ?? {})
        .filter(([, target]) => typeof target !== 'string')
        .map(([entry]) => `${manifest.name}${entry.slice(1)}`),
    )
    const lines = imports.map((name, index) => `import * as m${index} from '${name}'\nconsole.log(m${index})`)
    writeFileSync(join(cwd, 'consumer.ts'), lines.join('\n'))
    const flags = version === '5.9' ? compilerFlags.filter((flag) => flag !== '--ignoreConfig') : compilerFlags
    run(cwd, 'npx', 'tsc', ...flags, '--skipLibCheck', 'consumer.ts')
  }
}

const rehearsals: Record<string, () => void | Promise<void>> = {
  piecemeal,
  plugin,
  types,
  publish: () => publishRehearsal(scratch, run),
}

const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(rehearsals)
for (const name of chosen) {
  const rehearsal = rehearsals[name]
  assert.ok(rehearsal, `there is no rehearsal ${name}; there are ${Object.keys(rehearsals).join(', ')}`)
  await rehearsal()
  console.log(`rehearsed: ${name}`)
}
