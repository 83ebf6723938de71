import type { Protocol } from '@proxy/kernel'
import type { HttpOptions } from './options.ts'
import { HttpProtocol } from './protocol.ts'

/**
 * HTTP/1.1 and HTTP/2, with WebSocket, server-sent events and gRPC on top. Requests are routed one by one: the key is the
 * Host, in lower case and without its port.
 */
export function http(options: HttpOptions = {}): Protocol {
  return new HttpProtocol(options)
}
