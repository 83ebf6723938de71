import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { expect, it, onTestFinished } from 'vitest'
import type { Link } from '../contracts.ts'
import { nodeTransport } from './node.ts'

async function accepted(): Promise<{ link: Link; received: Promise<Buffer>; port: number }> {
  const { promise, resolve, reject } = Promise.withResolvers<Link>()
  const binding = await nodeTransport().listen({ host: '127.0.0.1', port: 0 }, { onLink: resolve, onError: reject })
  onTestFinished(() => binding.close())
  const client = connect(binding.address)
  const received = buffer(client)
  return { link: await promise, received, port: client.localPort as number }
}

/** More than are ever left alone in a row: the last of them are held. */
const pieces = Array.from({ length: 200 }, (_, index) => `${index} `)

const closings: [string, (link: Link) => void][] = [
  ['end', (link) => link.end()],
  ['destroy', (link) => link.destroy()],
  ['a stream', (link) => void link.socket().end('!')],
  ['large bytes', (link) => (link.write(Buffer.alloc(5_000, '!')), link.end())],
]

it.each(closings)('sends what is held before %s', async (_name, close) => {
  const { link, received } = await accepted()
  for (const piece of pieces) link.write(piece)
  close(link)
  expect((await received).toString().replaceAll('!', '')).toBe(pieces.join(''))
  link.destroy()
})

it.runIf(process.platform === 'linux')('keeps accepted connections alive', async () => {
  const { link, received, port } = await accepted()
  const hex = (number: number): string => number.toString(16).toUpperCase().padStart(4, '0')
  const line = readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .find((text) => text.includes(`:${hex(link.local.port)} 0100007F:${hex(port)} `))
  // The fifth column is the timer that runs; 02 is that of keepalive.
  expect(line?.trim().split(/\s+/)[5]).toMatch(/^02:/)
  link.destroy()
  await received
})
