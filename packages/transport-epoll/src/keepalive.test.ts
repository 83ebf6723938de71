import { readFileSync } from 'node:fs'
import { type Link, nodeTransport, type Transport } from '@proxy/kernel'
import { until } from '@proxy/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { strictTransport } from './__fixtures__/strict.ts'

/** What the system says of the timer of the connection from one port to another: its kind, and in how many seconds it is due. */
function timerOf(from: number, to: number): { kind: number; seconds: number } {
  const hex = (port: number): string => `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = readFileSync('/proc/net/tcp', 'latin1').split('\n')
  const fields = rows.map((row) => row.trim().split(/\s+/))
  const row = fields.find(
    ([, local, remote]) => local?.endsWith(hex(from)) === true && remote?.endsWith(hex(to)) === true,
  )
  const [kind = '', due = ''] = row?.[5]?.split(':') ?? []
  return { kind: Number.parseInt(kind, 16), seconds: Number.parseInt(due, 16) / 100 }
}

test.each<[string, () => Transport]>([
  ['epoll', strictTransport],
  ['node', nodeTransport],
])('the %s transport asks after silent peers, whoever began, from 30 s on', async (_name, make) => {
  const transport = make()
  const accepted: Link[] = []
  const acceptor = { onLink: (link: Link) => void accepted.push(link), onError: () => undefined }
  const binding = await transport.listen({ host: '127.0.0.1', port: 0 }, acceptor)
  onTestFinished(() => binding.close())
  const near = await transport.connect({ ...binding.address, timeoutMs: 4_000 }, new AbortController().signal)
  await until(() => accepted.length === 1, 'the connection to be accepted')
  onTestFinished(() => {
    for (const link of [near, ...accepted]) link.destroy()
  })
  const { port } = binding.address
  for (const timer of [timerOf(near.local.port, port), timerOf(port, near.local.port)]) {
    // 2 is that of SO_KEEPALIVE.
    expect(timer.kind).toBe(2)
    expect(timer.seconds).toBeGreaterThan(20)
    expect(timer.seconds).toBeLessThanOrEqual(30.1)
  }
})
