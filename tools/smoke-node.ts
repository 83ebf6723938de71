// Runs the built packages on the Node that runs this file, which must be of the version that is named:
//   npx --yes --allow-scripts=node node@22.19.0 tools/smoke-node.ts 22.19.0
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { http } from '@proxy/http'
import { Gateway, nodeTransport, type Transport } from '@proxy/kernel'
import { epollTransport } from '@proxy/transport-epoll'
import { published, root } from './workspace.ts'

async function everyEntryLoads(): Promise<void> {
  for (const { folder, manifest } of published()) {
    for (const target of Object.values(manifest.exports ?? {})) {
      if (typeof target === 'string') continue
      const exported = (await import(`${root}${folder}/${target.default}`)) as object
      assert.ok(Object.keys(exported).length > 0, `${folder} ${target.default} exports nothing`)
    }
  }
}

/** More than sockets take at once, so that writes have to wait. */
const large = randomBytes(16 << 20)

async function aRequestIsRouted(transport: Transport): Promise<void> {
  const backend = createServer((request, response) => {
    response.end(request.url === '/large' ? large : `hello ${request.headers.host}`)
  }).listen(0, '127.0.0.1')
  await once(backend, 'listening')
  const gateway = new Gateway({
    listeners: [{ address: '127.0.0.1:0', protocol: http() }],
    resolver: () => `127.0.0.1:${(backend.address() as AddressInfo).port}`,
    guard: { allow: ['127.0.0.0/8'] },
    transport,
  })
  await gateway.open()
  const address = `127.0.0.1:${gateway.addresses[0]?.port}`
  const response = await fetch(`http://${address}/`, { headers: { connection: 'close' } })
  assert.equal(response.status, 200)
  assert.equal(await response.text(), `hello ${address}`)
  const body = await fetch(`http://${address}/large`, { headers: { connection: 'close' } })
  assert.ok(large.equals(Buffer.from(await body.arrayBuffer())), 'a large body came through changed')
  await gateway.drain()
  backend.close()
}

function theEpollTransport(): Transport {
  return epollTransport({ onFallback: (reason) => assert.equal(process.platform === 'linux', false, reason) })
}

function theCommandStarts(): void {
  const { status, stdout } = spawnSync(process.execPath, [`${root}apps/gateway/dist/main.js`, '--help'], {
    encoding: 'utf8',
  })
  assert.equal(status, 0)
  assert.match(stdout, /gateway check/)
}

/** On Linux over epoll, on a port that the system chooses once for both. */
async function twoWorkersShareASocket(): Promise<void> {
  const cwd = mkdtempSync(join(tmpdir(), 'smoke-'))
  const web = { address: '127.0.0.1:0', protocol: 'http', options: { directResponse: { body: 'hello' } } }
  const transport = process.platform === 'linux' ? 'epoll' : 'auto'
  const config = { listeners: [web], resolver: { fixed: '127.0.0.1:1' }, admin: false, workers: 2, transport }
  writeFileSync(join(cwd, 'gateway.config.json'), JSON.stringify(config))
  const stdio = ['ignore', 'pipe', 'inherit'] as const
  const gateway = spawn(process.execPath, [`${root}apps/gateway/dist/main.js`], { cwd, stdio: [...stdio] })
  let printed = ''
  for await (const text of gateway.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    printed += text as string
    if (/127\.0\.0\.1:\d+ .*\n/.test(printed)) break
  }
  const address = /127\.0\.0\.1:\d+/.exec(printed)?.[0]
  assert.ok(address !== undefined, printed)
  for (let count = 0; count < 10; count++) {
    const response = await fetch(`http://${address}/`, { headers: { connection: 'close' } })
    assert.equal(await response.text(), 'hello')
  }
  gateway.kill('SIGTERM')
  assert.deepEqual(await once(gateway, 'exit'), [0, null])
  rmSync(cwd, { recursive: true })
}

const expected = process.argv[2] ?? ''
assert.ok(`${process.version}.`.startsWith(`v${expected}.`), `this is ${process.version}, not ${expected}`)
await everyEntryLoads()
await aRequestIsRouted(nodeTransport())
await aRequestIsRouted(theEpollTransport())
theCommandStarts()
await twoWorkersShareASocket()
console.log(`The packages work on Node ${process.version}.`)
