import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const source = fileURLToPath(new URL('./epoll-transport.ts', import.meta.url))

const script = `
  const { epollTransport } = await import(${JSON.stringify(source)})
  const reasons = []
  const { name } = epollTransport({ onFallback: (reason) => reasons.push(reason) })
  console.log(JSON.stringify({ name, reasons: reasons.length }))
`

// Under the permission model Node loads no native code and gives no handle out.
test('where the system calls cannot be had, it is the transport of Node, and says so once', async () => {
  const flags = ['--permission', '--allow-fs-read=*', '--no-warnings', '--conditions=@proxy/source']
  const run = promisify(execFile)
  const { stdout } = await run(process.execPath, [...flags, '--input-type=module', '--eval', script])
  expect(JSON.parse(stdout)).toEqual({ name: 'node', reasons: 1 })
})
