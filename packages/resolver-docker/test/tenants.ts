import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { RouteRequest } from '@proxy/kernel'
import type { ContainerOptions } from './process-container.ts'

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

/** A container of an HTTP server that answers with its own name, `delayMs` after its start. */
export function httpTenant(
  name: string,
  hostPort: number,
  options: Partial<ContainerOptions> & { readonly delayMs?: number } = {},
): ContainerOptions {
  const { delayMs = 0, ...rest } = options
  const script = `const { createServer } = require('node:http')
    const server = createServer((request, response) => response.end(${JSON.stringify(name)}))
    const [port, delay] = process.argv.slice(1).map(Number)
    setTimeout(() => server.listen(port, '127.0.0.1'), delay)
    process.on('SIGTERM', () => process.exit(0))`
  const command: ContainerOptions['command'] = (port) => [process.execPath, '-e', script, String(port), String(delayMs)]
  return { name, hostPort, port: 80, command, labels: { 'proxy.key': name }, ...rest }
}

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
