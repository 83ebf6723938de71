import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { RouteRequest } from '@proxy/kernel'

export const never: AbortSignal = new AbortController().signal

export const request = (key: string): RouteRequest => ({
  key,
  protocol: 'http',
  listener: 'http',
  session: 's1',
  client: { host: '192.0.2.1', port: 40_000 },
  tls: undefined,
  unread: 0,
  attributes: {},
})

export async function get(port: number, host = 'localhost'): Promise<string> {
  const asked = httpRequest({ port, host: '127.0.0.1', agent: false, headers: { host } }).end()
  const [response] = (await once(asked, 'response')) as [NodeJS.ReadableStream]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

export const answers = (port: number): Promise<boolean> =>
  get(port).then(
    () => true,
    () => false,
  )

/** As `until` of the testkit, for conditions that have to be asked for. */
export async function eventually(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 8_000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`)
    await delay(2)
  }
}
