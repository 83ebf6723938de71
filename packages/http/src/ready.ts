import { GatewayError, type Upstream } from '@proxy/kernel'
import { MessageHead, parseResponse } from './message.ts'

const printable = /^[!-~]*$/

/** The parts of a probe: the head of the request, and how the answer's head is measured. */
class Probe {
  readonly #head = new MessageHead()

  /** Throws `PROXY_BACKEND_PROTOCOL` for what is no response. */
  readonly framer = (bytes: Buffer): number => {
    const end = parseResponse(this.#head, bytes, 0, bytes.length)
    if (end < 0) throw new GatewayError('PROXY_BACKEND_PROTOCOL', { cause: new Error(this.#head.problem) })
    return end
  }

  get status(): number {
    return this.#head.status
  }
}

/**
 * Asks for the path, with the key as Host. 2xx and 3xx: it serves. The body is not waited for, and the connection is not used
 * again.
 */
export async function ready(upstream: Upstream, path: string): Promise<void> {
  const host = printable.test(upstream.key) ? upstream.key : ''
  await upstream.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: proxy-probe\r\nConnection: close\r\n\r\n`)
  const probe = new Probe()
  do await upstream.read(probe.framer)
  while (probe.status < 200)
  if (probe.status < 400) return
  throw new GatewayError('PROXY_BACKEND_NOT_READY', { cause: new Error(`status ${probe.status}`) })
}
