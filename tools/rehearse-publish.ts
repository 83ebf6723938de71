import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { published, root } from './workspace.ts'

type Run = (cwd: string, command: string, ...args: string[]) => string

/** `changeset version` and `changeset publish` in a clone, towards a registry that lives for as long as this takes. */
export async function publishRehearsal(scratch: string, run: Run): Promise<void> {
  const clone = join(scratch, 'publish')
  run(scratch, 'git', 'clone', '--quiet', root, clone)
  run(clone, 'npm', 'run', '-s', 'setup')
  run(clone, 'npm', 'run', '-s', 'build')
  run(clone, 'npx', 'changeset', 'version')
  const registry = await startRegistry(join(scratch, 'registry'))
  try {
    writeFileSync(
      join(clone, '.npmrc'),
      `registry=${registry.url}\n${registry.url.replace('http:', '')}:_authToken=rehearsal\n`,
    )
    run(clone, 'npx', 'changeset', 'publish', '--no-git-tag')
    for (const { manifest } of published()) {
      const version = run(clone, 'npm', 'view', manifest.name, 'version', '--registry', registry.url).trim()
      assert.match(version, /^\d+\.\d+\.\d+$/, `${manifest.name} was not published`)
    }
    installFrom(registry.url, join(scratch, 'from-registry'), run)
  } finally {
    await registry.stop()
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

async function startRegistry(folder: string): Promise<{ url: string; stop(): Promise<void> }> {
  mkdirSync(folder)
  const config = join(folder, 'config.yaml')
  writeFileSync(
    config,
    [
      `storage: ${join(folder, 'storage')}`,
      'packages:',
      "  '@proxy/*': { access: $all, publish: $all, unpublish: $all }",
      'max_body_size: 50mb',
      'log: { type: stdout, format: json, level: error }',
    ].join('\n'),
  )
  const port = await freePort()
  const args = ['--yes', '--prefer-offline', 'verdaccio@6', '--config', config, '--listen', `127.0.0.1:${port}`]
  const child: ChildProcess = spawn('npx', args, { stdio: ['ignore', 'inherit', 'inherit'], detached: true })
  const url = `http://127.0.0.1:${port}/`
  await answering(url)
  return {
    url,
    async stop() {
      const exited = once(child, 'exit')
      // The group: npx is only the registry's parent.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
      await exited
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

async function answering(url: string): Promise<void> {
  for (let attempt = 1; attempt <= 600; attempt += 1) {
    const answer = await fetch(`${url}-/ping`).catch(() => undefined)
    if (answer?.ok) return
    await new Promise((resolve) => {
      setTimeout(resolve, 100)
    })
  }
  throw new Error('the registry does not answer')
}
