import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { published, root } from './workspace.ts'

type Run = (cwd: string, command: string, ...args: string[]) => string

/** `changeset version` and `changeset publish` in a clone, towards a registry that lives for as long as this takes. */
export async function publishRehearsal(scratch: string, run: Run): Promise<void> {
  const clone = join(scratch, 'publish')
  run(scratch, 'git', 'clone', '--quiet', root, clone)
  run(clone, 'npm', 'run', '-s', 'setup')
  run(clone, 'npm', 'run', '-s', 'build')
  run(clone, 'npx', 'changeset', 'version')
  const local = await startRegistry()
  try {
    writeFileSync(
      join(clone, '.npmrc'),
      `registry=${local.url}\n${local.url.replace('http:', '')}:_authToken=rehearsal\n`,
    )
    run(clone, 'npx', 'changeset', 'publish', '--no-git-tag')
    for (const { manifest } of published()) {
      const version = run(clone, 'npm', 'view', manifest.name, 'version', '--registry', local.url).trim()
      assert.match(version, /^\d+\.\d+\.\d+$/, `${manifest.name} was not published`)
    }
    installFrom(local.url, join(scratch, 'from-registry'), run)
  } finally {
    await local.stop()
  }
}

function installFrom(url: string, cwd: string, run: Run): void {
  mkdirSync(cwd)
  writeFileSync(join(cwd, 'package.json'), '{"private":true,"type":"module"}')
  run(
    cwd,
    'npm',
    'install',
    '--no-audit',
    '--no-fund',
    '--silent',
    '--registry',
    url,
    '@proxy/kernel',
    '@proxy/postgres',
  )
  run(cwd, 'node', '-e', "import('@proxy/postgres').then(({ postgres }) => postgres())")
}

async function startRegistry(): Promise<{ url: string; stop(): Promise<void> }> {
  // A process of its own: the rehearsal itself blocks while npm runs.
  const child: ChildProcess = spawn(process.execPath, [`${root}tools/throw-away-registry.ts`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [port] = (await once(child.stdout as Readable, 'data')) as [Buffer]
  return {
    url: `http://127.0.0.1:${port.toString().trim()}/`,
    async stop() {
      const exited = once(child, 'exit')
      child.kill()
      await exited
    },
  }
}
