import { spawn } from 'node:child_process'
import { findFreePort, httpBackend } from '@proxy/test-servers'
import { expect, it, vi } from 'vitest'
import { commandOf, directoryOf } from '../gateway-process.ts'

it('a pipe that nobody reads under the logs: everybody is served, lines are dropped and counted', async () => {
  await using backend = await httpBackend('hello')
  const [port, admin] = [await findFreePort(), await findFreePort()]
  const config = {
    listeners: [{ address: `127.0.0.1:${port}`, protocol: 'http' }],
    resolver: { fixed: backend.endpoint },
    guard: { allow: [`127.0.0.1 ${backend.port}`] },
    admin: { address: admin },
    workers: 1,
    log: { level: 'debug', pretty: false, access: { requests: true } },
  }
  const cwd = directoryOf({ 'gateway.config.json': JSON.stringify(config) })
  // Its output is never read: the pipe takes some 200 KiB, and then nothing.
  const gateway = spawn(process.execPath, commandOf(), { cwd, stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    // A long path makes long lines.
    const path = `/${'x'.repeat(8_000)}`
    const status = async (): Promise<number> => (await fetch(`http://127.0.0.1:${port}${path}`)).status
    await vi.waitFor(async () => expect(await status()).toBe(200), { timeout: 20_000, interval: 100 })
    for (let count = 0; count < 700; count++) expect(await status()).toBe(200)
    const text = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text()
    const dropped = /proxy_telemetry_dropped_total\{signal="logs",reason="queue_full"\} (\d+)/.exec(text)?.[1]
    expect(Number(dropped)).toBeGreaterThan(10)
    const ended = new Promise((resolve) => gateway.once('exit', resolve))
    gateway.kill('SIGTERM')
    expect(await ended).toBe(0)
  } finally {
    gateway.kill('SIGKILL')
  }
})
